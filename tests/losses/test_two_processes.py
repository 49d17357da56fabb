"""Every loss in two real processes of two devices each, against its formula.

Virtual devices of one process share memory and a clock. These do not: every row of a gradient is
read from the process that holds it.
"""

import numpy as np
import pytest

from tests.binaries import run_together
from tests.losses import test_info_nce, test_supcon, test_supremix, test_two_view_losses
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.two_process_worker import ORDERS
from tests.losses.two_view_cases import two_view_cases

pytestmark = pytest.mark.slow

TEMPERATURES = {"random": 0.1, "zero rows": 0.005}


def inputs_of(name):
    """Case -> (z0, z1, side, temperature)."""
    if name == "supremix":
        named = ("between bins", 0.05), ("zero rows", 0.5)
        return {case: (*test_supremix.CASES[case], t) for case, t in named}
    side = test_supcon.SOME if name == "supcon" else np.zeros(16, np.float32)
    return {case: (*two_view_cases()[case], side, t) for case, t in TEMPERATURES.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_processes")
    (folder / "inputs").mkdir()
    for name in EVERY_LOSS:
        for case, (z0, z1, side, t) in inputs_of(name).items():
            path = folder / "inputs" / f"{name} {case}.npz"
            np.savez(path, z0=z0, z1=z1, side=side, temperature=np.float32(t))
    run_together("tests.losses.two_process_worker", folder, processes=2, devices=2)
    return folder


def gather(folder, order, name):
    """Value and gradients, as arrays of all rows."""
    held = [np.load(folder / order / process / name) for process in ("0", "1")]
    together = {}
    for x in ("value", "temperature", "z0", "z1"):
        parts = [arrays[x] for arrays in held]
        if parts[0].ndim == 0:
            assert parts[0] == parts[1]
        else:
            process_of_row = np.repeat(ORDERS[order], len(parts[0]) // 4) // 2
            for process, part in enumerate(parts):
                np.testing.assert_array_equal(np.isnan(part[:, 0]), process_of_row != process)
        together[x] = np.where(np.isnan(parts[0]), parts[1], parts[0])
    return together["value"], [together[x] for x in ("z0", "z1", "temperature")]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", EVERY_LOSS)
def test_matches_the_formula(name, order, folder):
    for case, (z0, z1, side, temperature) in inputs_of(name).items():
        result = gather(folder, order, f"{name} {case}.npz")
        if name == "info_nce":
            test_info_nce.assert_matches_formula(result, z0, z1, temperature)
        elif name == "supcon":
            test_supcon.assert_matches_formula(result, z0, z1, side, temperature)
        elif name == "supremix":
            test_supremix.assert_matches(result, case, temperature, test_supremix.BOTH)
        else:
            test_two_view_losses.assert_matches_formula(result, name, z0, z1, temperature)
