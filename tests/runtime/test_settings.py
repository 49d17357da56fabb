"""What a binary sets before it asks for a device, in processes of their own."""

import os
import subprocess
import sys

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


def test_an_unknown_precision_is_refused():
    with pytest.raises(UserError, match="precision='float8' is unknown"):
        runtime.configure("float8")
