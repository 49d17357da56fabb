"""The kernels for Hopper GPUs, interpreted on a CPU, against float64."""

from dataclasses import dataclass

import jax
import jax.experimental.pallas.mosaic_gpu as plgpu
import jax.numpy as jnp
import numpy as np
import pytest

if not hasattr(plgpu, "InterpretGPUParams"):
    pytest.skip("runs in `make test-kernels`, with a newer JAX", allow_module_level=True)

from jcl.losses.engine import fused, hopper
from tests.kernels.interpreter import interpreted

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    rows: int
    columns: int
    d: int
    offset: int | None
    halves: int
    views: int
    temperature: float
    races: bool = False

    def __str__(self):
        kind = ("bfloat16", "float32")[self.halves - 1]
        return f"{self.rows} rows {self.columns} columns {self.d} {kind} {self.temperature}"

    @property
    def any_range(self):
        return self.temperature < 1 / 60


CASES = [
    # Whole tiles, and tiles that rows and columns do not fill.
    Case(256, 256, 128, None, 1, 2, 0.1, races=True),
    Case(202, 202, 40, None, 1, 2, 0.05),
    # Rows that begin in the middle of a tile, more columns than rows, several splits.
    Case(130, 774, 64, 258, 1, 2, 0.1),
    Case(131, 393, 64, 131, 1, 1, 0.1),
    # Temperatures at which exponentials overflow.
    Case(130, 390, 64, 130, 1, 2, 0.005, races=True),
    Case(99, 297, 128, 99, 2, 1, 0.01),
    # float32 in halves.
    Case(130, 260, 128, 130, 2, 2, 0.05, races=True),
    Case(70, 140, 64, None, 2, 1, 0.2),
    # Widths in parts, whose weights are written out.
    Case(130, 260, 192, 130, 1, 2, 0.05, races=True),
    Case(64, 200, 1024, None, 1, 1, 0.1),
    Case(130, 390, 256, 260, 2, 2, 0.05, races=True),
    Case(66, 132, 512, None, 2, 2, 0.01),
    Case(130, 260, 520, None, 1, 2, 0.005),
]


def vectors(case):
    """Operand, and the very unit vectors that it stands for, in float64; pairs are near."""
    random = np.random.default_rng(case.columns + case.d)
    z = random.standard_normal((case.columns, case.d))
    half = case.columns // 2
    z[1 : 2 * half : 2] = z[0 : 2 * half : 2] + 0.4 * random.standard_normal((half, case.d))
    z[5] = -z[0]
    if case.halves == 2:
        z = jnp.float32(z / np.linalg.norm(z, axis=1, keepdims=True))
        return fused.operand(z, None), np.float64(z)
    x = jnp.asarray(3 * z, jnp.bfloat16)
    exact = np.float64(x.astype(jnp.float32))
    scale = 1 / np.linalg.norm(exact, axis=1)
    padded = jnp.pad(x, ((0, 0), (0, -case.d % hopper.ALIGNMENT)))
    return (padded, jnp.float32(scale)), exact * scale[:, None]


def sums(case, z):
    """Logits in units of log 2, -inf where they are left out, and their log sums."""
    place = np.arange(case.columns) // case.views
    logits = z @ z.T / (case.temperature * np.log(2))
    logits = np.where(place[:, None] == place, -np.inf, logits)
    top = logits.max(1)
    return logits, top + np.log2(np.exp2(logits - top[:, None]).sum(1))


def sides(case, operand):
    x, scale = operand
    here = slice(case.offset or 0, (case.offset or 0) + case.rows)
    rows = hopper.Side(x[here], scale[here] * np.float32(1 / (case.temperature * np.log(2))))
    offset = None if case.offset is None else jnp.int32(case.offset)
    return here, rows, hopper.Side(x, scale), offset


@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernels_against_float64(case, monkeypatch):
    check(case, monkeypatch)


# Tiles that two blocks share evenly, and tiles that they do not.
@pytest.mark.parametrize(("columns", "d"), [(1024, 64), (774, 192)])
def test_several_tiles_in_each_of_several_splits(columns, d, monkeypatch):
    monkeypatch.setattr(hopper, "_MULTIPROCESSORS", 4)
    check(Case(130, columns, d, 258, 1, 2, 0.1), monkeypatch)


def check(case, monkeypatch):
    operand, z = vectors(case)
    logits, log_sum = sums(case, z)
    here, rows, columns, offset = sides(case, operand)
    kind = hopper.Kind(case.halves, case.views, case.any_range)
    # Of a logit: 16 bits of a number of float32, or the float32 logit itself.
    rounding = (2.0**-16 if case.halves == 2 else 2.0**-20) / case.temperature

    with interpreted(monkeypatch, detect_races=case.races):
        actual = np.asarray(jax.jit(hopper.log_sums, static_argnums=3)(rows, columns, offset, kind))
    assert actual.shape == (case.rows,)
    assert np.max(np.abs(actual - log_sum[here])) <= rounding

    # Cotangents of one sign, as losses have them, and of very different sizes.
    cotangent = np.exp2(-8 * np.random.default_rng(1).random(case.columns))
    known = hopper.Known(jnp.float32(log_sum), jnp.float32(cotangent))
    of_rows = jax.tree.map(lambda x: x[here], known)
    weights = cotangent[:, None] * np.exp2(logits - log_sum[:, None])
    expected = ((weights + weights.T) @ z)[here]
    with interpreted(monkeypatch, detect_races=case.races):
        weighted_sums = jax.jit(hopper.weighted_sums, static_argnums=3)
        actual = weighted_sums((rows, of_rows), (columns, known), offset, kind)
    error = np.linalg.norm(actual[:, : case.d] - expected) / np.linalg.norm(expected)
    assert error <= (2.0**-9 if case.halves == 1 else 2 * rounding)
