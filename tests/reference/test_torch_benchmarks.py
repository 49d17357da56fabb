"""What jcl is compared with on a GPU is the same function, and its small form runs."""

import pytest

pytest.importorskip("torch")

from benchmarks import torch_gpu_losses as losses
from benchmarks import torch_steps

pytestmark = pytest.mark.reference

EXPECTED = {"ieee": 1e-5, "tf32": 5e-3, "bfloat16": 5e-2}  # a CPU takes no TF32


@pytest.mark.parametrize("loss", losses.PLAIN)
def test_losses_are_those_of_the_formulas(loss):
    found = losses.implementations(loss)
    assert {products for _, products, _ in found} == EXPECTED.keys()
    for _, products, function in found:
        assert losses.error(loss, function, d=16, rows=128) < EXPECTED[products]


@pytest.mark.parametrize("case", torch_steps.CASES)
def test_a_small_step_has_a_row(case):
    cells = torch_steps.measure(case, small=True).split(" | ")
    assert cells[0] == f"| {case}"
    assert len(cells) == 8
