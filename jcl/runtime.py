"""JAX settings that must stand before the first array is made."""

import os
from pathlib import Path

import jax

from jcl.config import PRECISIONS
from jcl.errors import UserError


def configure(precision: str) -> None:
    """Sets the process up for a run; call it once, first.

    float64 switches JAX's 64-bit mode on. Compiled programs are kept between processes in
    `$JAX_COMPILATION_CACHE_DIR`, or else in `jcl` under the user's cache folder, so that a
    restarted run or an evaluation need not compile again.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision={precision!r} is unknown; allowed: {', '.join(PRECISIONS)}")
    jax.config.update("jax_enable_x64", precision == "float64")
    if not jax.config.jax_compilation_cache_dir:
        caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(caches / "jcl" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
