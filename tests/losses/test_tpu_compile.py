"""The losses compiled for eight TPU chips, on a machine that has none.

What XLA makes of a program for TPUs is not what it makes of it for CPUs: other fusions, other
rewriting of collectives.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.binaries import ROOT, command, environment
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.loss_programs import (
    assert_nothing_is_larger_than_a_block,
    assert_sends_what_it_should,
)

# Where the Makefile puts it: in the environment itself, every JAX program would load it.
LIBTPU = Path(sys.prefix, "libtpu/libtpu/libtpu.so")
SETTINGS = {
    "TPU_LIBRARY_PATH": str(LIBTPU),
    "TPU_SKIP_MDS_QUERY": "1",  # a service that, in the cloud, would describe this machine
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_LOG_DIR": "disabled",
    # Otherwise a lock file makes a second process fail, though neither uses a chip.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

pytestmark = pytest.mark.skipif(
    not LIBTPU.exists(), reason=f"{LIBTPU} is missing; `make test` installs it on Linux x86-64"
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tpu")
    done = subprocess.run(
        command("tests.losses.tpu_worker", str(folder)),
        cwd=ROOT,
        env={**environment(), **SETTINGS},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (folder / name).read_text() for name in EVERY_LOSS}


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_blocks(name, programs):
    assert_nothing_is_larger_than_a_block(name, programs[name])


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_communication(name, programs):
    assert_sends_what_it_should(name, programs[name])
