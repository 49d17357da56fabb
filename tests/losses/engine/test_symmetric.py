"""The hand-written gradient of the fast path, for any cotangents, against float64 NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses.engine.symmetric import log_sum_and_positive
from jcl.mesh import make_mesh

MESHES = {
    "one device": lambda: None,
    "mesh of one": lambda: make_mesh(devices=jax.devices()[:1]),
    "8": lambda: make_mesh(),
    "4x2 interleaved": lambda: make_mesh(
        4, 2, devices=[jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    ),
}


def groups(kind, count):
    """Of every row: one of two views of an example, side by side, or one of a few labels."""
    if kind == "examples":
        return np.arange(count) // 2
    # Some rows are alone in their group.
    labels = np.random.RandomState(2).randint(-count // 5, 0, size=count)
    return np.sort(labels) if kind == "sorted labels" else labels


def positives_apart(of, group):
    """The positives of all groups, or of half of them."""
    return np.ones(len(group), bool) if of == "all" else group % 2 == 0


def formula(z, group, temperature, apart, cotangents):
    """Outputs, and the gradient of their inner product with the cotangents."""
    z = np.asarray(z, np.float64)
    similarity = z @ z.T
    is_self = np.eye(len(z), dtype=bool)
    same_group = group[:, None] == group
    out = is_self | (same_group & apart[:, None])
    partners = same_group & ~is_self
    share = partners / np.maximum(partners.sum(1, keepdims=True), 1)
    logits = np.where(out, -np.inf, similarity / temperature)
    top = logits.max(1, keepdims=True)
    exponential = np.exp(logits - top)
    lse = top[:, 0] + np.log(exponential.sum(1))
    positive = (share * similarity).sum(1) / temperature
    of_lse, of_positive = (np.asarray(c, np.float64) for c in cotangents)
    by_logit = of_lse[:, None] * exponential / exponential.sum(1, keepdims=True)
    by_logit += of_positive[:, None] * share
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
    """(z, group, apart, temperature, cotangents) -> outputs and gradients."""

    @jax.jit
    def outputs_and_gradients(z, group, apart, temperature, cotangents):
        outputs, pull = jax.vjp(
            lambda z, t: log_sum_and_positive(z, group, t, apart=apart, exact=None, **options),
            z,
            temperature,
        )
        return outputs, pull(tuple(cotangents))

    return outputs_and_gradients


whose_positives = pytest.mark.parametrize("of", ["some", "all"])


@whose_positives
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
def test_values_and_gradients_in_float64(mesh, count, block_size, of):
    z = unit_rows(count)
    cotangents = np.random.RandomState(1).randn(2, count)
    ours = compiled(mesh=MESHES[mesh](), block_size=block_size)
    kinds = ("examples", "labels", "sorted labels")
    for temperature, kind in itertools.product((0.005, 0.029, 0.03, 1.0), kinds):
        group = groups(kind, count)
        apart = positives_apart(of, group)
        with jax.enable_x64(True):
            values, gradients = ours(z, group, apart, temperature, cotangents)
        expected_values, expected_gradients = formula(z, group, temperature, apart, cotangents)
        for actual, expected in zip(values, expected_values, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12 / temperature)
        scale = np.abs(expected_gradients[0]).max()
        np.testing.assert_allclose(gradients[0], expected_gradients[0], atol=1e-11 * scale)
        np.testing.assert_allclose(
            gradients[1], expected_gradients[1], atol=1e-11 * scale * count / temperature
        )


@whose_positives
@pytest.mark.parametrize("kind", ["examples", "labels", "sorted labels"])
def test_many_tiles_in_float32(of, kind):
    """More rows than the default tile has, and no multiple of it."""
    z, group = unit_rows(1100), groups(kind, 1100)
    apart = positives_apart(of, group)
    cotangents = np.random.RandomState(1).randn(2, 1100)
    ours = compiled(mesh=None, block_size=None)
    values, gradients = ours(
        jnp.float32(z), group, apart, jnp.float32(0.1), jnp.float32(cotangents)
    )
    expected_values, expected_gradients = formula(z, group, 0.1, apart, cotangents)
    for actual, expected in zip(values, expected_values, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-5)
    scale = np.abs(expected_gradients[0]).max()
    np.testing.assert_allclose(gradients[0], expected_gradients[0], atol=1e-5 * scale)
