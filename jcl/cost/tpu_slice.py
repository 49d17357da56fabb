"""TPU slices that are not there, to compile for.

libtpu, the library that drives TPUs, holds their compiler, and needs none to compile.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import jax
from jax.experimental import topologies

from jcl.errors import UserError

# Those that JAX shows as one device a chip.
GENERATIONS = ("v5e", "v5p", "v6e")
FORMS = (
    "tpu:GENERATION:SHAPE, such as tpu:v5e:2x4, tpu:v5e:16x16 or tpu:v5p:4x4x4, with one of the "
    f"generations {', '.join(GENERATIONS)}"
)
_FORM = re.compile(rf"tpu:(({'|'.join(GENERATIONS)}):\d+(x\d+){{1,2}})")
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",  # a service that, in the cloud, would describe this machine
    # What it would say. Both are checked and, for compiling, not used.
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
    # Otherwise a lock file makes a second process fail, though neither uses a chip.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def devices(topology: str) -> list[jax.Device]:
    """Devices of a TPU slice, good for compiling and nothing else.

    Call it before JAX makes its first array: it has JAX run on the CPU and tells libtpu, through
    the environment of this process, not to look for chips.

    Args:
        topology: such as "tpu:v5e:16x16" or "tpu:v5p:4x4x4": generation, and chips along each axis.

    Raises:
        UserError: a topology that is not of this form or that libtpu does not know, or no libtpu.
    """
    match = _FORM.fullmatch(topology)
    if not match:
        raise UserError(f"--topology={topology} is unknown; give {FORMS}")
    library = _libtpu()
    jax.config.update("jax_platforms", "cpu")
    os.environ.update(_ENVIRONMENT, TPU_LIBRARY_PATH=str(library))
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=match.group(1)).devices
    except jax.errors.JaxRuntimeError as error:
        raise UserError(f"--topology={topology} is impossible: {error}") from error


def _libtpu() -> Path:
    """Where libtpu is: as told, or beside the environment, or installed in it."""
    candidates = [
        os.environ.get("TPU_LIBRARY_PATH"),
        # The Makefile puts it there: in the environment itself, every JAX program would load it.
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
