"""The devices that will compute a loss, as far as they are known while it is traced."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh


def computing_device(mesh: Mesh | None) -> jax.Device:
    """The first device of the mesh, or of this process if there is no mesh.

    `--compile_only` plans on CPUs for meshes of other devices, so the mesh decides before the
    process. A computation without a mesh may still be placed on another device. Code that is chosen
    by this device is therefore also under `jax.lax.platform_dependent`.
    """
    return jax.local_devices()[0] if mesh is None else mesh.devices.flat[0]


def by_device(
    mesh: Mesh | None, on_gpus: Callable[..., Any], otherwise: Callable[..., Any]
) -> Callable[..., Any]:
    """A function of arrays that GPUs compute in one way and all other devices in another."""
    if computing_device(mesh).platform != "gpu":
        return otherwise

    def function(*arrays):
        return jax.lax.platform_dependent(*arrays, cuda=on_gpus, rocm=on_gpus, default=otherwise)

    return function
