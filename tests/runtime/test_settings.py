"""What a binary sets before it asks for a device, in processes of their own."""

import os
import subprocess
import sys

import jax
import pytest

from jcl import runtime
from jcl.errors import UserError

# XLA ends a process that has a flag it does not know.
PROGRAM = """
import os, sys
from jcl import runtime
runtime.configure("{precision}", deterministic={deterministic})
import jax
print(os.environ.get("XLA_FLAGS"), jax.numpy.ones(1, float).dtype, jax.device_count())
"""


def configured(precision, deterministic, **environment):
    program = PROGRAM.format(precision=precision, deterministic=deterministic)
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2", **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_deterministic_adds_a_flag_that_xla_knows():
    flag = "--xla_gpu_deterministic_ops=true"
    other = "--xla_backend_optimization_level=0"
    assert configured("float64", True, XLA_FLAGS=other) == f"{other} {flag} float64 2"
    assert configured("bfloat16", False, XLA_FLAGS=other) == f"{other} float32 2"


def test_an_empty_variable_is_no_cache_folder(tmp_path):
    program = (
        "from jcl import runtime; runtime.configure('float32'); import jax; "
        "print(jax.config.jax_compilation_cache_dir)"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": "", "HOME": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == f"{tmp_path}/.cache/jcl/xla", done.stderr


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="precision='float8' is unknown"):
        runtime.configure("float8")


def test_options_of_the_step_are_those_of_its_devices(monkeypatch):
    flag = "xla_gpu_enable_triton_gemm"
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    assert runtime.compiler_options("gpu") == {flag: False}
    assert runtime.compiler_options("cpu") == runtime.compiler_options("tpu") == {}
    monkeypatch.setenv("XLA_FLAGS", f"--xla_gpu_deterministic_ops=true --{flag}=true")
    assert runtime.compiler_options("gpu") == {}


def test_the_fastest_kernels_are_kept_beside_the_programs():
    kept = jax.config.jax_persistent_cache_enable_xla_caches
    assert kept == "xla_gpu_per_fusion_autotune_cache_dir"
