"""Everything that training changes, as one pytree, and how it lies on the mesh."""

import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jcl.methods.base import Method, Variables
from jcl.training.fsdp import split_largest_axis

PyTree = Any


@flax.struct.dataclass
class TrainState:
    """What a checkpoint holds; with the config and the data it determines the rest of the run.

    Attributes:
        step: int32 [], number of completed updates.
        params: trained parameters.
        model_state: running statistics of the networks.
        method_state: what the method keeps besides.
        opt_state: the optimizer's.
        ema_params: moving average of `params`, or {} where the config asks for none.
    """

    step: PyTree  # all fields are Any: a state of shapes or shardings has the same structure
    params: PyTree
    model_state: PyTree
    method_state: PyTree
    opt_state: PyTree
    ema_params: PyTree

    @property
    def probed_params(self) -> PyTree:
        """The parameters that probes see: the average where there is one."""
        return self.ema_params or self.params


def init_state(
    method: Method,
    optimizer: optax.GradientTransformation,
    *,
    views: PyTree,
    examples: int,
    seed: int,
    mesh: Mesh,
    fsdp_min_size: int = 0,
    weight_ema: float | None = None,
) -> TrainState:
    """Makes the state before the first step on the mesh's devices, the same on any mesh.

    Args:
        method: what is trained.
        optimizer: its state is made for the method's parameters.
        views: arrays or ShapeDtypeStructs [B, V, ...]; only shapes and dtypes are used.
        examples: in the training split.
        seed: of the parameters.
        mesh: where the state will lie.
        fsdp_min_size: elements of the smallest array that is split over the mesh's fsdp axis.
        weight_ema: None keeps no average of the weights.
    """
    make = functools.partial(
        _make_state,
        method=method,
        optimizer=optimizer,
        views=views,
        examples=examples,
        weight_ema=weight_ema,
    )
    key = jax.random.key(seed, impl="threefry2x32")
    shardings = state_sharding(jax.eval_shape(make, key), mesh, fsdp_min_size)
    return jax.jit(make, out_shardings=shardings)(key)


def state_shapes(
    method: Method,
    optimizer: optax.GradientTransformation,
    *,
    views: PyTree,
    examples: int,
    mesh: Mesh,
    fsdp_min_size: int = 0,
    weight_ema: float | None = None,
) -> TrainState:
    """What `init_state` would make, as ShapeDtypeStructs with shardings; allocates nothing."""
    make = functools.partial(
        _make_state,
        method=method,
        optimizer=optimizer,
        views=views,
        examples=examples,
        weight_ema=weight_ema,
    )
    shapes = jax.eval_shape(make, jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32")))
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
        state_sharding(shapes, mesh, fsdp_min_size),
    )


def _make_state(key, *, method, optimizer, views, examples, weight_ema) -> TrainState:
    variables = method.init(key, _one_of(views))
    params, model_state = variables
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        model_state=model_state,
        method_state=_make_method_state(
            key, variables, method=method, views=views, examples=examples
        ),
        opt_state=optimizer.init(params),
        ema_params={} if weight_ema is None else jax.tree.map(jnp.copy, params),
    )


def renew_method_state(
    state: TrainState, method: Method, *, views: PyTree, examples: int, seed: int
) -> TrainState:
    """Makes the method's own part of a state anew, for the networks that the state now has.

    Args:
        state: before the first step.
        method: whose part it is.
        views: as in `init_state`.
        examples: as in `init_state`.
        seed: as in `init_state`.
    """
    make = functools.partial(_make_method_state, method=method, views=views, examples=examples)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state.method_state)
    method_state = jax.jit(make, out_shardings=shardings)(
        jax.random.key(seed, impl="threefry2x32"), Variables(state.params, state.model_state)
    )
    return state.replace(method_state=method_state)


def _make_method_state(key, variables, *, method, views, examples) -> PyTree:
    key = jax.random.fold_in(key, 1)
    return method.init_method_state(key, variables, _one_of(views), examples)


def _one_of(views: PyTree) -> PyTree:
    return jax.tree.map(lambda v: jnp.zeros((1, *v.shape[1:]), v.dtype), views)


def state_sharding(state: TrainState, mesh: Mesh, fsdp_min_size: int = 0) -> TrainState:
    """The sharding of every leaf of a state, or of its shapes, by the rule of `fsdp`."""
    return jax.tree.map(
        lambda leaf: split_largest_axis(leaf.shape, mesh, min_size=fsdp_min_size), state
    )
