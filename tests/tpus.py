"""Where the compiler for TPUs is, for tests that need it."""

import sys
from pathlib import Path

import pytest

# Where the Makefile puts it, and `jcl.cost.tpu_slice` finds it.
LIBTPU = Path(sys.prefix, "libtpu/libtpu/libtpu.so")
needs_libtpu = pytest.mark.skipif(
    not LIBTPU.exists(), reason=f"{LIBTPU} is missing; `make test` installs it on Linux x86-64"
)
