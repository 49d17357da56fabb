"""The one train step: pure, and jit-compiled over a mesh."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import DTypeLike

from jcl.augment.image import examples_as_floats
from jcl.augment.views import InContext, Views, in_context
from jcl.mesh import batch_sharding, replicated
from jcl.methods.base import Method, Variables
from jcl.methods.clock import Clock
from jcl.optim.groups import Group, without_gradient
from jcl.runtime import compiler_options
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
    make_views: Views | InContext,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    clock: Clock,
    seed: int,
    mesh: Mesh | None = None,
    state_sharding: TrainState | None = None,
    weight_ema: float | None = None,
    groups: tuple[Group, ...] = (),
    microbatches: int = 1,
    dtype: DTypeLike = jnp.float32,
) -> tuple[TrainState, Metrics]:
    """Makes views, embeds them, differentiates the objective, updates the state.

    The method's `after_update` comes after the optimizer's update and before weights are averaged.
    All random numbers come from (seed, step, position in the global batch), so the result depends
    neither on the sharding of the batch nor on microbatches.

    Args:
        state: before the update.
        batch: the global batch: kind -> [B, ...], all values of the examples, such as image uint8
            [B, H, W, C], features float [B, F], label int32 [B], target float [B]; and index int32
            [B].
        method: the method that is trained.
        make_views: a recipe (`jcl.augment.views`): maps keys [B] and examples to views.
        optimizer: updates the parameters.
        schedule: learning rate of the update that starts from step t; for the metrics only.
        clock: how long an epoch and the run are; its step is not used.
        seed: of views and the method's random numbers.
        mesh: the batch is sharded over all of its axes; None computes as one device would.
        state_sharding: sharding of the state between steps (`jcl.training.fsdp`); None if it is
            replicated.
        weight_ema: decay of the average of the weights; None keeps no average.
        groups: of parameters (`jcl.optim.groups`); frozen ones get no gradient, and the optimizer
            must not change them either.
        microbatches: number of chunks in which the batch is embedded, to save memory; see
            `jcl.training.microbatches`.
        dtype: of images, features and views.

    Returns:
        The state after the update, and scalar metrics of this batch before it: loss, gradient_norm,
        learning_rate, and the method's own.
    """
    key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), state.step)
    views_key, embed_key, objective_key = jax.random.split(key, 3)
    positions = jnp.arange(len(batch["index"]), dtype=jnp.uint32)
    view_keys, embed_keys = (
        jax.vmap(jax.random.fold_in, (None, 0))(key, positions) for key in (views_key, embed_key)
    )
    clock = dataclasses.replace(clock, step=state.step)
    before = Variables(state.params, state.model_state, state.method_state)
    context_key = jax.random.fold_in(views_key, jnp.uint32(2**32 - 1))  # not that of an example
    recipe = in_context(make_views, context_key, examples_as_floats(batch, dtype))
    lie = state_sharding or TrainState(*(None for _ in dataclasses.fields(TrainState)))

    def whole(params):
        return gather(without_gradient(params, groups), lie.params)

    def embed(params, model_state, examples):
        view_keys, embed_keys, examples = examples
        views = recipe(view_keys, examples_as_floats(examples, dtype))
        if mesh is not None:
            views = jax.lax.with_sharding_constraint(views, batch_sharding(mesh))
        # Copies of networks are gathered like the networks. A table that `embed` does not read is
        # not gathered, because XLA removes computations without a use.
        method_state = gather(state.method_state, lie.method_state)
        variables = Variables(whole(params), model_state, method_state)
        return method.embed(variables, views, embed_keys)

    def objective(params, embeddings):
        variables = before._replace(params=whole(params))
        return method.objective(variables, embeddings, batch, clock, objective_key, mesh)

    loss, gradient, outcome, model_state = loss_and_gradient(
        embed,
        objective,
        state.params,
        state.model_state,
        (view_keys, embed_keys, dict(batch)),
        microbatches=microbatches,
        mesh=mesh,
    )
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    after = Variables(params, model_state, state.method_state)
    after = method.after_update(after, outcome.carry, clock)
    ema_params = state.ema_params
    if weight_ema is not None:
        ema_params = optax.incremental_update(after.params, ema_params, 1 - weight_ema)
    metrics = {
        "loss": loss,
        "learning_rate": jnp.asarray(schedule(state.step)),
        "gradient_norm": optax.tree.norm(gradient),
        "parameter_norm": optax.tree.norm(after.params),
        **outcome.metrics,
    }
    state = state.replace(
        step=state.step + 1, opt_state=opt_state, ema_params=ema_params, **after._asdict()
    )
    return state, metrics


def compile_train_step(state: TrainState, *, mesh: Mesh, **static) -> Callable:
    """Jit-compiles `train_step` for a mesh; the input state is donated.

    Args:
        state: the state, or its shapes with shardings; the new state has the same shardings.
        mesh: the batch's leading axis is sharded over all of its axes.
        **static: the other keyword arguments of `train_step`.
    """
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    return jax.jit(
        functools.partial(train_step, mesh=mesh, state_sharding=shardings, **static),
        in_shardings=(shardings, batch_sharding(mesh)),
        out_shardings=(shardings, replicated(mesh)),
        donate_argnums=0,
        compiler_options=compiler_options(mesh.devices.flat[0].platform),
    )
