"""Which devices a loss will be computed on, as far as that is known while it is traced."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh


def computing_device(mesh: Mesh | None) -> jax.Device:
    """The first device of the mesh, or of this process where there is none.

    Plans are made on CPUs for meshes of other devices, so the mesh counts before the process. A
    computation without a mesh may still be placed elsewhere: what is chosen by this device stands
    under `jax.lax.platform_dependent` too.
    """
    return jax.local_devices()[0] if mesh is None else mesh.devices.flat[0]


def by_device(
    mesh: Mesh | None, on_gpus: Callable[..., Any], otherwise: Callable[..., Any]
) -> Callable[..., Any]:
    """One function of arrays, which GPUs compute in one way and all other devices in another."""
    if computing_device(mesh).platform != "gpu":
        return otherwise

    def function(*arrays):
        return jax.lax.platform_dependent(*arrays, cuda=on_gpus, rocm=on_gpus, default=otherwise)

    return function
