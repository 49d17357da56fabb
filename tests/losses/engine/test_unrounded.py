"""bfloat16 embeddings as matrix units multiply them, in one pass, emulated on a CPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine.unrounded import unrounded, unrounded_inner_products, unrounded_sum
from tests.losses.contrastive_formulas import two_tower_loss, two_view_loss, value_tolerance
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.test_two_view_losses import meshes, shard

ROUNDING = 2.0**-8  # of bfloat16, at most


def rows():
    """bfloat16 of norms from 1e-34 to 1e38, a row of zeros and one of subnormals."""
    x = np.random.default_rng(0).standard_normal((8, 16))
    x *= np.array([1, 1e-34, 1e37, 3, 0.1, 1, 0, 1e-40])[:, None]
    x[5] = [2.0**127] * 8 + [1] * 8
    return jnp.asarray(x, jnp.bfloat16)


def units():
    x = np.asarray(rows(), np.float64)
    x[6:] = 0
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm == 0, 1, norm)


def test_only_scales_are_rounded():
    exact = unrounded(rows())
    assert exact.rows.dtype == jnp.bfloat16
    made = np.asarray(exact.rows, np.float64) * np.asarray(exact.scale, np.float64)[:, None]
    np.testing.assert_allclose(made, units(), rtol=2e-7, atol=1e-37)
    assert unrounded(rows().astype(jnp.float32)) is None


def test_products_take_bfloat16_and_no_more():
    exact = unrounded(rows())
    # As `map_rows` hands them over.
    widened = exact._replace(rows=exact.rows.astype(jnp.float32))
    products = unrounded_inner_products("id,jd->ij", exact, widened)
    np.testing.assert_allclose(products, units() @ units().T, atol=3e-7)
    weights = np.random.default_rng(1).random((5, 8)).astype(np.float32)
    total = unrounded_sum("ij,jd->id", jnp.asarray(weights), exact)
    largest = weights @ np.abs(units())
    assert np.all(np.abs(total - weights @ units()) <= ROUNDING * largest)


@pytest.mark.parametrize("layout", ["one device", "4x2"])
@pytest.mark.parametrize("name", ["nt_xent", "info_nce"])
def test_losses_lose_nothing_but_what_their_gradient_rounds(name, layout, monkeypatch):
    # What runs on all devices but CPUs.
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args))
    random = np.random.default_rng(2)
    z0 = jnp.asarray(random.standard_normal((64, 32)), jnp.bfloat16)
    z1 = jnp.asarray(z0 + 0.3 * random.standard_normal(z0.shape), jnp.bfloat16)
    mesh = None if layout == "one device" else meshes()[layout]

    def loss(z0, z1):
        return EVERY_LOSS[name](z0, z1, None, temperature=0.05, mesh=mesh)

    views = (z0, z1) if mesh is None else shard(mesh, z0, z1)
    quickly = {"xla_backend_optimization_level": 0}
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)), compiler_options=quickly)
    value, gradients = compiled(*views)
    formula = two_view_loss if name == "nt_xent" else two_tower_loss
    options = {"decoupled": False} if name == "nt_xent" else {}
    expected, expected_gradients = formula(
        *(np.asarray(z, np.float64) for z in (z0, z1)), 0.05, **options
    )
    assert value.dtype == jnp.float32
    assert abs(float(value) - expected) <= value_tolerance(expected)
    for g, e in zip(gradients, expected_gradients[:2], strict=True):
        assert g.dtype == jnp.bfloat16
        assert np.linalg.norm(np.asarray(g, np.float64) - e) <= ROUNDING * np.linalg.norm(e)
