"""Devices that are not there, to compile for: `--topology=tpu:v5e:16x16` or `gpu:h100:8`."""

import jax
from jax.sharding import Mesh

from jcl.cost import gpu_server, tpu_slice
from jcl.errors import UserError

_OF_PLATFORM = {"tpu": tpu_slice.devices, "gpu": gpu_server.devices}


def topology_devices(topology: str) -> list[jax.Device]:
    """Devices of a TPU slice or of a server's GPUs, good for compiling and nothing else.

    Call it before JAX makes its first array: it has JAX run on the CPU, and sets what the compilers
    read from the environment of this process.

    Args:
        topology: such as "tpu:v5e:16x16", generation and chips along each axis, or "gpu:h100:8",
            kind and number of GPUs.

    Raises:
        UserError: a topology that is not of these forms or that a compiler does not know, or no
            compiler for it.
    """
    platform, _, rest = topology.partition(":")
    if platform not in _OF_PLATFORM or not rest:
        raise UserError(
            f"--topology={topology} is unknown; give {tpu_slice.FORMS}, or {gpu_server.FORMS}"
        )
    return _OF_PLATFORM[platform](topology)


def suit_hardware(mesh: Mesh) -> Mesh:
    """The same mesh with its devices in an order that matches their connections.

    Args:
        mesh: of devices in any order.
    """
    return jax.make_mesh(
        mesh.devices.shape,
        mesh.axis_names,
        axis_types=mesh.axis_types,
        devices=mesh.devices.ravel().tolist(),
    )
