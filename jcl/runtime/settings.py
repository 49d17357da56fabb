"""JAX settings of a process that must stand before it asks for a device, and XLA's options.

This is the one place where jcl sets options of XLA: for the process in `configure`, for the train
step in `compiler_options`.
"""

import os
from pathlib import Path

import jax

from jcl.config import PRECISIONS
from jcl.errors import UserError

# What the train step is compiled with, by the platform that it is compiled for.
_COMPILER_OPTIONS = {
    "gpu": {
        # For every product of its own shape XLA writes, compiles and times kernels beside those of
        # cuBLAS. On an H200 the step of ResNet-50 did not compile within 110 s with them and took
        # 92 s without; the step's time with them is not measured. XLA_FLAGS=
        # --xla_gpu_enable_triton_gemm=true switches them on.
        "xla_gpu_enable_triton_gemm": False,
    },
}


def configure(precision: str, *, deterministic: bool = False) -> None:
    """Sets the process up for a run; a binary calls it once, first.

    Compiled programs are kept between processes in `$JAX_COMPILATION_CACHE_DIR`, or else in `jcl`
    under the user's cache folder, so that a restarted run or an evaluation need not compile again.
    JAX keeps there, too, which kernels XLA found to be the fastest on a GPU, one by one, so that a
    program that was not finished, or is a little different, need not try them all again.

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
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "jcl" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def compiler_options(platform: str) -> dict[str, bool]:
    """Options of XLA that the train step is compiled with; those in `$XLA_FLAGS` are left as given.

    Args:
        platform: that it is compiled for, such as that of the mesh's devices: cpu, gpu or tpu.
    """
    given = {flag.split("=")[0] for flag in os.environ.get("XLA_FLAGS", "").split()}
    options = _COMPILER_OPTIONS.get(platform, {})
    return {name: value for name, value in options.items() if f"--{name}" not in given}
