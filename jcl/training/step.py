"""The one train step: pure, and jit-compiled over a mesh."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import DTypeLike

from jcl.augment.image import to_float
from jcl.data.dataset_shape import inputs_of
from jcl.mesh import batch_sharding, replicated
from jcl.methods.base import Method
from jcl.optim.patterns import without_gradient
from jcl.training.fsdp import gather
from jcl.training.microbatches import loss_and_gradient
from jcl.training.state import TrainState

PyTree = Any
Batch = Mapping[str, jax.Array]
Metrics = Mapping[str, jax.Array]


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    method: Method,
    make_views: Callable,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    seed: int,
    mesh: Mesh | None = None,
    params_sharding: PyTree | None = None,
    weight_ema: float | None = None,
    frozen: tuple[str, ...] = (),
    microbatches: int = 1,
    dtype: DTypeLike = jnp.float32,
) -> tuple[TrainState, Metrics]:
    """Makes views, embeds them, differentiates the objective, updates the state.

    All randomness comes from (seed, step, position in the global batch), so the result does not
    depend on how the batch is spread over devices.

    Args:
        state: before the update.
        batch: the global batch: image uint8 [B, H, W, C] or features float [B, F], index int32 [B],
            and label int32 [B] and target float [B] where the data has them.
        method: what is trained.
        make_views: maps keys [B] and images [B, H, W, C] in [0, 1], or features [B, F], to views
            [B, V, ...].
        optimizer: updates the parameters.
        schedule: learning rate of the update that starts from step t; for the metrics only.
        seed: of views and the method's own randomness.
        mesh: over whose axes all the batch is sharded; None: as one device would.
        params_sharding: how the parameters lie between steps (`jcl.training.fsdp`); None: whole.
        weight_ema: decay of the average of the weights; None keeps none.
        frozen: patterns of parameters that get no gradient (`jcl.optim.patterns`); the
            optimizer must leave them alone too.
        microbatches: how many chunks the batch is embedded in, to save memory; see
            `jcl.training.microbatches`.
        dtype: of inputs and views.

    Returns:
        The state after the update, and scalar metrics of this batch before it: loss, gradient_norm,
        learning_rate, and the method's own.
    """
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), state.step)
    views_key, embed_key, objective_key = jax.random.split(key, 3)
    inputs = inputs_of(batch)
    positions = jnp.arange(len(inputs), dtype=jnp.uint32)
    example_keys = jax.vmap(jax.random.fold_in, (None, 0))(views_key, positions)

    def embed(params, model_state, examples, number):
        keys, inputs = examples
        views = make_views(keys, to_float(inputs, dtype))
        if mesh is not None:
            views = jax.lax.with_sharding_constraint(views, batch_sharding(mesh))
        key = embed_key if microbatches == 1 else jax.random.fold_in(embed_key, number)
        params = gather(without_gradient(params, frozen), params_sharding)
        return method.embed(params, model_state, state.method_state, views, key)

    def objective(params, embeddings):
        params = gather(without_gradient(params, frozen), params_sharding)
        return method.objective(params, embeddings, batch, state.method_state, objective_key, mesh)

    loss, gradient, outcome, model_state = loss_and_gradient(
        embed,
        objective,
        state.params,
        state.model_state,
        (example_keys, inputs),
        microbatches=microbatches,
        mesh=mesh,
    )
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema_params = state.ema_params
    if weight_ema is not None:
        ema_params = optax.incremental_update(params, ema_params, 1 - weight_ema)
    metrics = {
        "loss": loss,
        "learning_rate": jnp.asarray(schedule(state.step)),
        "gradient_norm": optax.tree.norm(gradient),
        "parameter_norm": optax.tree.norm(params),
        **outcome.metrics,
    }
    state = state.replace(
        step=state.step + 1,
        params=params,
        model_state=model_state,
        opt_state=opt_state,
        ema_params=ema_params,
    )
    return method.after_update(state, outcome.carry), metrics


def compile_train_step(state: TrainState, *, mesh: Mesh, **static) -> Callable:
    """Jit-compiles `train_step` for a mesh; the state it is given is donated.

    Args:
        state: the state, or its shapes with shardings; the new one will lie as it does.
        mesh: the batch's leading axis is sharded over all of its axes.
        **static: the other keyword arguments of `train_step`.
    """
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    return jax.jit(
        functools.partial(train_step, mesh=mesh, params_sharding=shardings.params, **static),
        in_shardings=(shardings, batch_sharding(mesh)),
        out_shardings=(shardings, replicated(mesh)),
        donate_argnums=0,
    )
