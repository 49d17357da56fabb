"""The hand-written gradient of the fast path, for any cotangents, against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.symmetric import log_denominator_and_positive
from jcl.mesh import make_mesh

MESHES = {
    "one device": lambda: None,
    "mesh of one": lambda: make_mesh(devices=jax.devices()[:1]),
    "8": lambda: make_mesh(),
    "4x2 interleaved": lambda: make_mesh(
        4, 2, devices=[jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    ),
}


def formula(z, temperature, excluded, cotangents):
    """Outputs, and the gradient of their inner product with the cotangents."""
    z = np.asarray(z, np.float64)
    similarity = z @ z.T
    index = np.arange(len(z))
    partner = index ^ 1
    out = index[:, None] == index
    if excluded == "example":
        out |= index[:, None] // 2 == index // 2
    logits = np.where(out, -np.inf, similarity / temperature)
    top = logits.max(1, keepdims=True)
    exponential = np.exp(logits - top)
    lse = top[:, 0] + np.log(exponential.sum(1))
    positive = similarity[index, partner] / temperature
    of_lse, of_positive = (np.asarray(c, np.float64) for c in cotangents)
    by_logit = of_lse[:, None] * exponential / exponential.sum(1, keepdims=True)
    by_logit[index, partner] += of_positive
    by_temperature = -(by_logit * similarity).sum() / temperature**2
    return (lse, positive), ((by_logit + by_logit.T) @ z / temperature, by_temperature)


def unit_rows(count, seed=0):
    z = np.random.RandomState(seed).randn(count, 5)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    z[4:6] = z[2]  # near and far, and no direction at all
    z[6] = -z[2]
    z[9] = 0
    return z


def compiled(**options):
    """(z, temperature, cotangents) -> outputs and gradients."""

    @jax.jit
    def outputs_and_gradients(z, temperature, cotangents):
        outputs, pull = jax.vjp(
            lambda z, t: log_denominator_and_positive(z, t, **options), z, temperature
        )
        return outputs, pull(tuple(cotangents))

    return outputs_and_gradients


@pytest.mark.parametrize("excluded", ["row", "example"])
@pytest.mark.parametrize(
    ("mesh", "count", "block_size"),
    [
        ("one device", 50, None),
        ("one device", 50, 8),  # equal tiles, and a last one that is padded
        ("one device", 34, 7),  # odd
        ("one device", 34, 1),
        ("mesh of one", 16, 6),
        ("8", 48, None),
        ("8", 48, 4),
        ("4x2 interleaved", 48, 5),
    ],
)
def test_values_and_gradients_in_float64(mesh, count, block_size, excluded):
    z = unit_rows(count)
    cotangents = np.random.RandomState(1).randn(2, count)
    ours = compiled(excluded=excluded, mesh=MESHES[mesh](), block_size=block_size)
    for temperature in (0.005, 0.029, 0.03, 1.0):
        with jax.enable_x64(True):
            values, gradients = ours(z, temperature, cotangents)
        expected_values, expected_gradients = formula(z, temperature, excluded, cotangents)
        for actual, expected in zip(values, expected_values, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12 / temperature)
        scale = np.abs(expected_gradients[0]).max()
        np.testing.assert_allclose(gradients[0], expected_gradients[0], atol=1e-11 * scale)
        np.testing.assert_allclose(
            gradients[1], expected_gradients[1], atol=1e-11 * scale * count / temperature
        )


@pytest.mark.parametrize("excluded", ["row", "example"])
def test_many_tiles_in_float32(excluded):
    """More rows than the default tile has, and no multiple of it."""
    z = unit_rows(1100)
    cotangents = np.random.RandomState(1).randn(2, 1100)
    ours = compiled(excluded=excluded, mesh=None, block_size=None)
    values, gradients = ours(jnp.float32(z), jnp.float32(0.1), jnp.float32(cotangents))
    expected_values, expected_gradients = formula(z, 0.1, excluded, cotangents)
    for actual, expected in zip(values, expected_values, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-5)
    scale = np.abs(expected_gradients[0]).max()
    np.testing.assert_allclose(gradients[0], expected_gradients[0], atol=1e-5 * scale)
