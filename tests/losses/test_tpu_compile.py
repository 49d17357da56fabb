"""The losses compiled for eight TPU chips, on a machine that has none.

What XLA makes of a program for TPUs is not what it makes of it for CPUs: other fusions, other
rewriting of collectives.
"""

import pytest

from tests.binaries import run_ok
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.loss_programs import (
    assert_multiplies_bfloat16,
    assert_nothing_is_larger_than_a_block,
    assert_sends_what_it_should,
)
from tests.losses.tpu_worker import BFLOAT16
from tests.tpus import needs_libtpu

pytestmark = [needs_libtpu, pytest.mark.slow]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tpu")
    run_ok("tests.losses.tpu_worker", str(folder))
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_blocks(name, programs):
    assert_nothing_is_larger_than_a_block(name, programs[name])


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_communication(name, programs):
    assert_sends_what_it_should(name, programs[name])


@pytest.mark.parametrize("name", BFLOAT16)
def test_bfloat16_takes_one_pass(name, programs):
    assert_multiplies_bfloat16(programs[name + " bfloat16"])
