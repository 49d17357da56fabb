"""Prototypes: unit rows, cosines with them, and gradients that wait."""

import jax
import jax.numpy as jnp
import numpy as np

from jcl.methods.parts import prototypes

KEY = jax.random.key(3)
start = jax.jit(prototypes.start, static_argnums=(1, 2, 3))
scores, normalised = jax.jit(prototypes.scores), jax.jit(prototypes.normalised)


def test_they_start_on_the_sphere():
    drawn = np.asarray(start(KEY, 400, 5, jnp.float32))
    assert drawn.shape == (400, 5)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose((drawn**2).sum(1), 1, rtol=1e-6)
    assert np.abs(drawn.mean(0)).max() < 0.1  # five standard deviations
    np.testing.assert_allclose((drawn**2).mean(0), 0.2, atol=0.06)


def test_scores_are_cosines():
    random = np.random.default_rng(0)
    embeddings, rows = random.normal(size=(4, 3, 6)), random.normal(size=(5, 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.einsum("bvd,kd->bvk", embeddings, rows)
    cosines /= np.linalg.norm(embeddings, axis=2, keepdims=True)
    with jax.enable_x64(True):
        found = scores(embeddings, rows)
    np.testing.assert_allclose(found, cosines, rtol=1e-12)
    short = jax.eval_shape(scores, jnp.zeros((4, 3, 6), jnp.bfloat16), jnp.zeros((5, 6)))
    assert short.dtype == jnp.float32


def test_normalised_rows_keep_their_direction_and_dtype():
    rows = np.array([[3.0, 4.0], [0.0, 1e-3]], np.float32)
    np.testing.assert_allclose(normalised(rows), [[0.6, 0.8], [0, 1]], rtol=1e-6)
    assert jax.eval_shape(normalised, jnp.zeros((2, 2), jnp.bfloat16)).dtype == jnp.bfloat16


def test_no_gradient_reaches_them_in_the_first_steps():
    rows = np.array([[0.6, 0.8], [0.0, 1.0]], np.float32)

    def squares(rows, step):
        held = prototypes.held(rows, step, 2)
        return (held**2).sum(), held

    gradient = jax.jit(jax.grad(squares, has_aux=True))
    for step in range(4):
        found, held = gradient(rows, step)
        np.testing.assert_array_equal(held, rows)
        np.testing.assert_array_equal(found, np.zeros((2, 2)) if step < 2 else 2 * rows)
