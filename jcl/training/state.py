"""Everything that training changes, as one pytree, and its sharding over the mesh."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from jcl.data.dataset_shape import DatasetShape
from jcl.methods.base import Method, Variables, declared
from jcl.optim.patterns import matches, parameter_name
from jcl.training.fsdp import split_largest_axis, split_rows

PyTree = Any


@flax.struct.dataclass
class TrainState:
    """The content of a checkpoint; with config and data it determines the rest of the run.

    Attributes:
        step: int32 [], number of completed updates.
        params: trained parameters.
        model_state: running statistics of the networks.
        method_state: further state of the method, such as moving averages, queues and tables.
        opt_state: state of the optimizer.
        ema_params: moving average of `params`, or {} if the config asks for none.
    """

    step: PyTree  # all fields are Any: a state of shapes or shardings has the same structure
    params: PyTree
    model_state: PyTree
    method_state: PyTree
    opt_state: PyTree
    ema_params: PyTree

    @property
    def probed(self) -> Variables:
        """The variables for probes, with the average of the parameters if there is one."""
        return Variables(self.ema_params or self.params, self.model_state, self.method_state)


@dataclasses.dataclass(frozen=True)
class StateMaker:
    """Makes the state before the first step.

    Attributes:
        method: the method that is trained.
        optimizer: its state is made for the method's parameters.
        views: kind -> arrays or ShapeDtypeStructs [B, V, ...]; only shapes and dtypes are used.
        data: the training split.
        weight_ema: decay of the average of the weights; None keeps no average.
        fsdp_min_size: elements of the smallest array that is split over the mesh's fsdp axis.
    """

    method: Method
    optimizer: optax.GradientTransformation
    views: PyTree
    data: DatasetShape
    weight_ema: float | None = None
    fsdp_min_size: int = 0

    def init(self, seed: int, mesh: Mesh) -> TrainState:
        """Makes the state on the mesh's devices, the same on any mesh."""
        key = _key(seed)
        shardings = self._shardings(jax.eval_shape(self._make, key), mesh)
        return jax.jit(self._make, out_shardings=shardings)(key)

    def shapes(self, mesh: Mesh) -> TrainState:
        """The result of `init` as ShapeDtypeStructs with shardings; allocates nothing."""
        shapes = jax.eval_shape(self._make, jax.eval_shape(lambda: _key(0)))
        return jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            shapes,
            self._shardings(shapes, mesh),
        )

    def adopt(self, state: TrainState) -> TrainState:
        """Calls the method's `adopt` after networks of another run were loaded into a state.

        Args:
            state: before the first step.
        """
        adopt = getattr(self.method, "adopt", None)
        if adopt is None:
            return state
        variables = Variables(state.params, state.model_state, state.method_state)
        shardings = jax.tree.map(lambda leaf: leaf.sharding, variables)
        return state.replace(**jax.jit(adopt, out_shardings=shardings)(variables)._asdict())

    def _shardings(self, shapes: TrainState, mesh: Mesh) -> TrainState:
        return state_sharding(shapes, mesh, self.fsdp_min_size, declared(self.method, "split"))

    def _make(self, key: PRNGKeyArray) -> TrainState:
        variables = self.method.init(key, self._one_example(), self.data)
        params = variables.params
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            opt_state=self.optimizer.init(params),
            ema_params={} if self.weight_ema is None else jax.tree.map(jnp.copy, params),
            **variables._asdict(),
        )

    def _one_example(self) -> PyTree:
        return jax.tree.map(lambda v: jnp.zeros((1, *v.shape[1:]), v.dtype), self.views)


def _key(seed: int) -> PRNGKeyArray:
    return jax.random.key(seed, impl="threefry2x32")


def state_sharding(
    state: TrainState, mesh: Mesh, fsdp_min_size: int = 0, split: Sequence[str] = ()
) -> TrainState:
    """The sharding of every leaf of a state, or of its shapes, by the rules of `fsdp`.

    Args:
        state: arrays, or shapes.
        mesh: of the run.
        fsdp_min_size: see `StateMaker`.
        split: patterns of parameters whose rows are split over all devices. Their optimizer state
            and their average are split in the same way.
    """

    def of_leaf(path, leaf):
        parts = parameter_name(path).split("/")
        ends = ["/".join(parts[i:]) for i in range(len(parts))]
        if leaf.ndim and any(matches(pattern, end) for pattern in split for end in ends):
            return split_rows(leaf.shape, mesh)
        return split_largest_axis(leaf.shape, mesh, min_size=fsdp_min_size)

    return jax.tree_util.tree_map_with_path(of_leaf, state)
