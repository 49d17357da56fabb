"""JAX settings of a process that must be made before the first use of a device."""

import os
from pathlib import Path

import jax

from jcl.config import PRECISIONS
from jcl.errors import UserError


def configure(precision: str, *, deterministic: bool = False) -> None:
    """Sets the process up for a run; a binary calls it once, first.

    Compiled programs are cached in `$JAX_COMPILATION_CACHE_DIR`, or in `jcl` in the user's cache
    folder, so that a restarted run or an evaluation need not compile again.

    Args:
        precision: float64 switches JAX's 64-bit mode on.
        deterministic: makes XLA use GPU kernels that give the same bits every time; CPUs and TPUs
            have only such kernels.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision={precision!r} is unknown; allowed: {', '.join(PRECISIONS)}")
    jax.config.update("jax_enable_x64", precision == "float64")
    if deterministic:  # XLA reads its flags at the first use of a device
        given = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{given} --xla_gpu_deterministic_ops=true".strip()
    if not jax.config.jax_compilation_cache_dir:
        caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(caches / "jcl" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
