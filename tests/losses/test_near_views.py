"""Views that are nearly equal, in float32: their gradients are small and lose nothing.

A positive that shares a sum with its negatives has the weight 1 - p, where p is near 1. With views
a tenth apart that difference of rounded numbers is off by some percent.
"""

from functools import cache

import jax
import numpy as np
import pytest

from tests.losses import test_supcon
from tests.losses.contrastive_formulas import two_tower_loss, two_view_loss
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.test_two_view_losses import meshes, shard

TEMPERATURE, DIMENSIONS = 0.05, 128
NOISE = (1e-4, 1e-2, 0.1, 0.3)


def labels_of(name, batch):
    """SupCon's labels, no two alike: an anchor with more positives has a larger gradient."""
    return np.arange(batch, dtype=np.int32) if name == "supcon" else None


def expected_gradients(name, z0, z1):
    if name == "info_nce":
        return two_tower_loss(z0, z1, TEMPERATURE)[1][:2]
    if name == "supcon":
        return test_supcon.formula(z0, z1, labels_of(name, len(z0)), TEMPERATURE)[1][:2]
    sigma = 0.5 if name == "dclw" else None
    decoupled = name != "nt_xent"
    return two_view_loss(z0, z1, TEMPERATURE, decoupled=decoupled, weight_sigma=sigma)[1][:2]


@cache
def compiled(name, layout):
    def loss(z0, z1, side):
        mesh = None if layout == "one device" else meshes()[layout]
        return EVERY_LOSS[name](z0, z1, side, temperature=TEMPERATURE, mesh=mesh)

    quickly = {"xla_backend_optimization_level": 0}
    return jax.jit(jax.grad(loss, argnums=(0, 1)), compiler_options=quickly)


def assert_gradients_are_exact(name, rows, noise, layout="one device"):
    random = np.random.default_rng(rows)
    z0 = random.standard_normal((rows // 2, DIMENSIONS)).astype(np.float32)
    z1 = z0 + np.float32(noise) * random.standard_normal(z0.shape).astype(np.float32)
    inputs = z0, z1, labels_of(name, len(z0))
    placed = inputs if layout == "one device" else shard(meshes()[layout], *inputs)
    # Times the norm: as if the rows had been of unit norm.
    norms = np.linalg.norm(np.stack([z0, z1]).astype(np.float64), axis=-1, keepdims=True)
    gradients = norms * np.stack(compiled(name, layout)(*placed))
    expected = norms * np.stack(expected_gradients(name, z0, z1))
    error = gradients - expected
    assert np.max(np.abs(error)) <= 1e-5 * np.max(np.abs(expected))
    if noise >= 0.3:
        assert np.linalg.norm(error) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", ["nt_xent", "dcl", "dclw", "info_nce", "supcon"])
def test_few_rows(name):
    for noise in NOISE:
        assert_gradients_are_exact(name, 256, noise)


@pytest.mark.parametrize("name", ["nt_xent", "info_nce"])
def test_more_rows_than_a_tile_has(name):
    assert_gradients_are_exact(name, 4096, 0.3)


@pytest.mark.parametrize("name", ["nt_xent", "info_nce", "supcon"])
def test_on_a_mesh(name):
    for noise in (1e-2, 0.3):
        assert_gradients_are_exact(name, 256, noise, "4x2")
