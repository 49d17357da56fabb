"""The device mesh, and the sharding of a global batch over it."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jcl.errors import UserError

AXES = ("data", "fsdp")


def make_mesh(
    data: int = -1, fsdp: int = 1, *, devices: Sequence[jax.Device] | None = None
) -> Mesh:
    """Arranges devices as a mesh with the axes ("data", "fsdp").

    Args:
        data: size of the data axis; -1 takes the number of devices divided by `fsdp`.
        fsdp: size of the second axis; the batch is split over both axes.
        devices: the devices in order; None takes all, in an order that matches the hardware.

    Raises:
        UserError: the sizes do not use every device exactly once.
    """
    count = jax.device_count() if devices is None else len(devices)
    if fsdp < 1 or (data < 1 and data != -1):
        raise UserError(
            f"mesh.data={data} and mesh.fsdp={fsdp} are impossible: sizes are positive, "
            "and mesh.data=-1 takes all devices that are left"
        )
    if data == -1:
        data = max(count // fsdp, 1)
    if data * fsdp != count:
        raise UserError(
            f"mesh.data={data} x mesh.fsdp={fsdp} needs {data * fsdp} devices, "
            f"but there are {count}"
        )
    types = (AxisType.Auto,) * len(AXES)
    if devices is not None:
        return Mesh(np.asarray(devices).reshape(data, fsdp), AXES, axis_types=types)
    return jax.make_mesh((data, fsdp), AXES, axis_types=types)


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis of a batch is split over all axes of the mesh."""
    return NamedSharding(mesh, PartitionSpec(mesh.axis_names))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def check_even_split(batch_size: int, mesh: Mesh | None, *, microbatches: int = 1) -> None:
    """Raises `UserError` unless a batch can be split evenly over the mesh, if there is one."""
    devices = 1 if mesh is None else mesh.size
    if batch_size % (devices * microbatches):
        held_by = "one device" if devices == 1 else f"{devices} devices"
        chunks = f" in each of {microbatches} microbatches" if microbatches > 1 else ""
        raise UserError(
            f"A batch of {batch_size} does not divide by the {held_by} of the mesh{chunks}."
        )
