"""Memory and communication of the losses, read from compiled programs that are never run."""

from functools import cache

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from tests.losses.every_loss import EVERY_LOSS
from tests.losses.hlo import collectives
from tests.losses.loss_programs import (
    assert_nothing_is_larger_than_a_block,
    assert_sends_what_it_should,
    compile_value_and_gradient,
)


def mesh_of_eight():
    return jax.make_mesh((4, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)


@cache
def program_on_mesh(name):
    return compile_value_and_gradient(name, mesh_of_eight()).as_text()


@pytest.mark.parametrize("devices", [1, 8])
def test_memory_grows_linearly(devices):
    mesh = None if devices == 1 else mesh_of_eight()
    # 1k, 2k and 8k anchors. On eight devices 1k are a single block, which XLA compiles without
    # a loop into less memory than its share, so start at 2k there.
    batches = (512, 1024, 4096) if mesh is None else (1024, 4096)
    memory = [
        compile_value_and_gradient("nt_xent", mesh, b, 64, block_size=None)
        .memory_analysis()
        .temp_size_in_bytes
        for b in batches
    ]
    assert np.all(np.diff(np.log2(memory)) <= 1.1 * np.diff(np.log2(batches))), memory
    # The whole matrix of similarities would be 256 MiB.
    assert memory[-1] < 32 * 2**20, memory


@pytest.mark.parametrize("name", ["info_nce", "supcon", "supremix"])
def test_blocks_on_one_device(name):
    program = compile_value_and_gradient(name, None).as_text()
    assert_nothing_is_larger_than_a_block(name, program)
    assert not collectives(program)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_blocks_on_a_mesh(name):
    assert_nothing_is_larger_than_a_block(name, program_on_mesh(name))


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_communication(name):
    assert_sends_what_it_should(name, program_on_mesh(name))
