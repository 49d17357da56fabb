import math

import jax
import numpy as np
import pytest

from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.probes import collapse, effective_rank, rank_and_spread, spread


def normal(n, width, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@pytest.mark.parametrize("shape", [(5000, 6), (50, 6), (6, 50)])
def test_effective_rank_is_rankme_of_the_singular_values(shape):
    features = normal(*shape) * np.geomspace(1, 1e-3, shape[1], dtype=np.float32) + 0.1
    singular = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    shares = [s / sum(singular) + 1e-7 for s in singular]
    expected = math.exp(-sum(p * math.log(p) for p in shares))
    assert effective_rank(features) == pytest.approx(expected, rel=1e-6)
    assert 1 < expected < min(shape)


def test_effective_rank_counts_directions_that_are_used_evenly():
    basis = np.repeat(np.eye(8, dtype=np.float32)[:3], 4, axis=0)
    assert effective_rank(basis) == pytest.approx(3, rel=1e-4)
    assert effective_rank(np.ones((5, 8), np.float32)) == pytest.approx(1, abs=1e-4)
    assert effective_rank(np.zeros((5, 8), np.float32)) is None


def test_spread_is_what_methods_log_while_training():
    first, second = normal(20, 5), normal(20, 5, seed=1)
    logged = jax.jit(two_view_diagnostics)(first, second)["embedding_spread"]
    assert spread(np.concatenate([first, second])) == pytest.approx(float(logged), rel=1e-5)
    assert spread(normal(2000, 16)) == pytest.approx(1, abs=0.01)
    assert spread(np.ones((5, 8), np.float32)) == pytest.approx(0, abs=1e-6)


def said(features):
    return collapse("projection", rank_and_spread(features))


def test_collapse_is_told_and_its_absence_is_not():
    constant = np.ones((200, 32), np.float32)
    few = normal(200, 1)  # of either sign along one line: spread, but of one direction
    for collapsed in (constant, constant + 0.01 * normal(200, 32), few * constant, 0 * constant):
        assert "'projection' has collapsed: of 32 dimensions" in said(collapsed)
    # As a ReLU leaves them; a wide cone; a plane, of which more cannot be asked.
    for healthy in (np.maximum(normal(200, 32), 0), constant + normal(200, 32), normal(200, 2)):
        assert said(healthy) is None
    assert said(constant + 0.1 * normal(200, 32)) is None
    assert collapse("features", {"uniformity": 0.0}) is None  # of results from before
