"""How state arrays are sharded over the `fsdp` axis, and a printed summary.

Between steps every device of that axis holds its part of the parameters and of the optimizer's
state (Rajbhandari et al. 2020, "ZeRO", https://arxiv.org/abs/1910.02054, stage 3); the step gathers
each array where it is used, and each device updates its own part.
"""

import functools
import math
from typing import Any

import jax
from clu import parameter_overview
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "fsdp"
PyTree = Any


def split_largest_axis(shape: tuple[int, ...], mesh: Mesh, *, min_size: int) -> NamedSharding:
    """The sharding of one array of a state.

    Args:
        shape: of the array.
        mesh: with an axis "fsdp".
        min_size: arrays of fewer elements are replicated: splitting them would save little, and
            each would cost a round trip to gather.

    Returns:
        The largest axis that is divisible by the size of "fsdp" is split, the last one of equally
        large axes. An array without such an axis is replicated.
    """
    parts = mesh.shape[AXIS]
    axes = [axis for axis, size in enumerate(shape) if size and size % parts == 0]
    if parts == 1 or math.prod(shape) < min_size or not axes:
        return NamedSharding(mesh, PartitionSpec())
    largest = max(axes, key=lambda axis: (shape[axis], axis))
    return NamedSharding(mesh, PartitionSpec(*(None,) * largest, AXIS))


def split_rows(shape: tuple[int, ...], mesh: Mesh) -> NamedSharding:
    """The sharding of an array whose rows are split over all axes, also inside the step.

    Args:
        shape: of the array. It is replicated if its rows are not divisible by the devices.
        mesh: of the run.
    """
    even = shape[0] % mesh.size == 0
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names) if even else PartitionSpec())


def gather(tree: PyTree, shardings: PyTree | None) -> PyTree:
    """Gathers split arrays on every device; their gradients are split again.

    Arrays of `split_rows` stay split.

    Args:
        tree: arrays.
        shardings: sharding of each, in the same structure; None if all are replicated.
    """
    if shardings is None:
        return tree
    return jax.tree.map(
        lambda x, sharding: x if _stays_split(sharding) else _gather(x, sharding), tree, shardings
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _gather(x: jax.Array, sharding: NamedSharding) -> jax.Array:
    whole = NamedSharding(sharding.mesh, PartitionSpec())
    return jax.lax.with_sharding_constraint(x, whole)


# The transpose of the constraint would need the whole gradient on every device: an all-reduce,
# although a reduce-scatter is enough.
_gather.defvjp(
    lambda x, sharding: (_gather(x, sharding), None),
    lambda sharding, _, gradient: (jax.lax.with_sharding_constraint(gradient, sharding),),
)


def _stays_split(sharding: NamedSharding) -> bool:
    return tuple(sharding.spec)[:1] == (sharding.mesh.axis_names,)


def describe_split(params: PyTree, state: PyTree) -> str:
    """Describes the sharding of parameters, one per line, and the share of split bytes.

    Args:
        params: arrays, or shapes with shardings; nested dicts.
        state: everything that is kept between steps.
    """
    leaves = jax.tree.leaves(state)
    total = sum(map(_bytes, leaves))
    split = sum(_bytes(leaf) for leaf in leaves if not leaf.sharding.is_fully_replicated)
    held = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves
    )
    return (
        f"{parameter_overview.get_parameter_overview(params, include_stats='sharding')}\n"
        f"{100 * split / total:.1f}% of the state's {total / 2**20:.1f} MiB are split; "
        f"a device holds {held / 2**20:.1f} MiB"
    )


def _bytes(leaf) -> int:
    return leaf.size * leaf.dtype.itemsize
