"""TPU slices that the machine does not have, as compilation targets: `--topology=tpu:v5e:16x16`.

libtpu, the library that drives TPUs, contains their compiler, which works without a TPU.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import jax
from jax.experimental import topologies
from jax.sharding import Mesh

from jcl.errors import UserError

# Generations that JAX shows as one device per chip.
GENERATIONS = ("v5e", "v5p", "v6e")
_FORM = re.compile(rf"tpu:(({'|'.join(GENERATIONS)}):\d+(x\d+){{1,2}})")
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",  # do not query the cloud's metadata service about this machine
    # Values that the service would return. Both are checked but not used for compilation.
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
    # Without this, a lock file makes a second process fail, although neither uses a chip.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def topology_devices(topology: str) -> list[jax.Device]:
    """Devices of a TPU slice, usable only for compilation.

    Call it before JAX makes its first array. It makes JAX run on the CPU and tells libtpu, through
    the environment of this process, not to look for chips.

    Args:
        topology: such as "tpu:v5e:16x16" or "tpu:v5p:4x4x4": generation, and chips along each axis.

    Raises:
        UserError: a topology that is not of this form or that libtpu does not know, or no libtpu.
    """
    match = _FORM.fullmatch(topology)
    if not match:
        raise UserError(
            f"--topology={topology} is unknown; give tpu:GENERATION:SHAPE, such as tpu:v5e:2x4, "
            f"tpu:v5e:16x16 or tpu:v5p:4x4x4, with one of the generations {', '.join(GENERATIONS)}"
        )
    library = _libtpu()
    jax.config.update("jax_platforms", "cpu")
    os.environ.update(_ENVIRONMENT, TPU_LIBRARY_PATH=str(library))
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=match.group(1)).devices
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"--topology={topology} is impossible: {error}") from error


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


def _libtpu() -> Path:
    """The path of libtpu: from TPU_LIBRARY_PATH, beside the environment, or installed in it."""
    candidates = [
        os.environ.get("TPU_LIBRARY_PATH"),
        # The Makefile puts it there, because every JAX program would load it from the environment.
        Path(sys.prefix, "libtpu", "libtpu", "libtpu.so"),
    ]
    package = importlib.util.find_spec("libtpu")
    if package is not None and package.origin is not None:
        candidates.append(Path(package.origin).with_name("libtpu.so"))
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    raise UserError(
        "--topology needs libtpu, which holds the compiler for TPUs: pip install --editable "
        "'.[tpu]' in the checkout (Linux x86-64), or name a libtpu.so in TPU_LIBRARY_PATH"
    )
