"""The exact gradient of a global batch whose activations do not fit into memory at once.

The batch is embedded in chunks, and only embeddings are kept. The objective and its gradient with
respect to the embeddings are computed over the whole global batch. Then each chunk is embedded
again, and its part of this gradient is backpropagated through the networks (GradCache: Gao et al.
2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup",
https://arxiv.org/abs/2101.06983).
"""

from collections.abc import Callable
from typing import Any

import jax
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jcl.methods.base import Embedded, Outcome

PyTree = Any


def loss_and_gradient(
    embed: Callable[[PyTree, PyTree, PyTree], Embedded],
    objective: Callable[[PyTree, PyTree], Outcome],
    params: PyTree,
    model_state: PyTree,
    examples: PyTree,
    *,
    microbatches: int,
    mesh: Mesh | None,
) -> tuple[jax.Array, PyTree, Outcome, PyTree]:
    """Differentiates the objective of the global batch, plus the means of the extra losses.

    With one microbatch there is a single pass. With K, each network runs forward twice, and memory
    holds the activations of B / K examples. Loss and gradient do not change if `embed` treats each
    example by itself. BatchNorm does not: its statistics are those of a chunk, and the running
    statistics are updated K times per step.

    Args:
        embed: `(params, model_state, chunk of examples) -> Embedded`.
        objective: `(params, embeddings of the global batch) -> Outcome`.
        params: to differentiate by.
        model_state: before the step.
        examples: arrays `[B, ...]`, the inputs of `embed`.
        microbatches: K; B must be divisible by K times the number of devices.
        mesh: the batch is sharded over its axes. Chunk k holds the positions k, k + K, ... of the
            batch: the same examples on any mesh, and equally many from every device.

    Returns:
        The loss, its gradient by `params`, the objective's outcome with the extra losses among its
        metrics, and the model state after the step.
    """

    def total(params, embeddings, extra_losses):
        outcome = objective(params, embeddings)
        means = {name: value.mean() for name, value in extra_losses.items()}
        outcome = outcome._replace(metrics={**outcome.metrics, **means})
        return sum(means.values(), start=outcome.loss), outcome

    if microbatches == 1:

        def one_pass(params):
            embedded = embed(params, model_state, examples)
            loss, outcome = total(params, embedded.embeddings, embedded.extra_losses)
            return loss, (outcome, embedded.model_state)

        (loss, (outcome, model_state)), gradient = jax.value_and_grad(one_pass, has_aux=True)(
            params
        )
        return loss, gradient, outcome, model_state

    chunks = _split(examples, microbatches, mesh)

    def embed_chunk(model_state, chunk):
        embedded = embed(params, model_state, chunk)
        return embedded.model_state, (model_state, (embedded.embeddings, embedded.extra_losses))

    model_state, (model_states, outputs) = jax.lax.scan(embed_chunk, model_state, chunks)
    (loss, outcome), (gradient, of_embeddings, of_extra_losses) = jax.value_and_grad(
        total, argnums=(0, 1, 2), has_aux=True
    )(params, *_join(outputs))
    cotangents = _split((of_embeddings, of_extra_losses), microbatches, mesh)

    def add_chunk(gradient, chunk):
        chunk, model_state, cotangent = chunk

        def outputs(params):
            embedded = embed(params, model_state, chunk)
            return embedded.embeddings, embedded.extra_losses

        _, pull = jax.vjp(outputs, params)
        (more,) = pull(cotangent)
        return optax.tree.add(gradient, more), None

    gradient, _ = jax.lax.scan(add_chunk, gradient, (chunks, model_states, cotangents))
    return loss, gradient, outcome, model_state


def _split(tree: PyTree, count: int, mesh: Mesh | None) -> PyTree:
    """From `[B, ...]` to `[count, B / count, ...]`, without moving data between devices."""

    def split(x):
        x = x.reshape(-1, count, *x.shape[1:]).swapaxes(0, 1)
        if mesh is None:
            return x
        sharding = NamedSharding(mesh, PartitionSpec(None, mesh.axis_names))
        return jax.lax.with_sharding_constraint(x, sharding)

    return jax.tree.map(split, tree)


def _join(tree: PyTree) -> PyTree:
    """Undoes `_split`."""
    return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(-1, *x.shape[2:]), tree)
