"""The loss of feature transformation against whole matrices in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses import query_queue_nce, transformed_queue_nce
from tests.losses.exactness import Case, assert_exact, log_sum_exp, unit

BATCH, QUEUE, DIMENSIONS = 8, 16, 4
PARTNERS = np.random.RandomState(2).permutation(QUEUE).astype(np.int32)
FACTORS = {"extrapolation": 1.7, "query_extrapolation": 1.3, "interpolation": 0.4}
UNMOVED = dict.fromkeys(FACTORS, 1.0)


def formula(queries, keys, queue, partners, temperature):
    q, k, n = unit(queries), unit(keys).real, unit(queue).real
    x, y, w = FACTORS.values()
    own = ((x * q + (1 - x) * k) * (x * k + (1 - x) * q)).sum(1, keepdims=True)
    others = (y * q + (1 - y) * k) @ (w * n + (1 - w) * n[partners]).T
    logits = np.concatenate([own, others], axis=1) / temperature
    return (log_sum_exp(logits) - logits[:, 0]).mean()


def arrays():
    random = np.random.default_rng(4)
    sizes = (BATCH, BATCH, QUEUE)
    return [np.float64(np.float32(random.normal(size=(n, DIMENSIONS)))) for n in sizes]


def cases():
    queries, keys, queue = arrays()
    zeros = [x.copy() for x in (queries, keys, queue)]
    zeros[0][4] = zeros[1][6] = zeros[2][2] = 0
    made = ((queries, keys, queue, PARTNERS, t) for t in (0.05, 0.2))
    return [Case(x, x[-1]) for x in (*made, (*zeros, PARTNERS, 0.2))]


@pytest.mark.parametrize("layout", ["one device, float32", "4x2"])
def test_exact_on_any_mesh_and_in_blocks(layout):
    def loss(queries, keys, queue, partners, temperature, **options):
        moved = {"partners": partners, **FACTORS}
        return transformed_queue_nce(
            queries, keys, queue=queue, temperature=temperature, **moved, **options
        )

    largest = QUEUE * DIMENSIONS
    assert_exact(loss, formula, cases(), layout, block_size=1, largest=largest)


def value_and_gradient(loss, *arrays):
    return jax.jit(jax.value_and_grad(loss))(*map(jnp.float32, arrays))


def test_factors_of_one_leave_moco_s():
    _, keys, queue = map(jnp.float32, arrays())
    moved = functools.partial(transformed_queue_nce, partners=jnp.asarray(PARTNERS), **UNMOVED)
    found, expected = (
        value_and_gradient(lambda q, f=f: f(q, keys, temperature=0.1, queue=queue), arrays()[0])
        for f in (moved, query_queue_nce)
    )
    # Equal but for rounding: XLA may fuse the two programs differently.
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=5e-7)


def test_the_positive_s_product_by_hand():
    """With one negative, orthogonal to both, the loss tells the positive's product."""

    @jax.jit
    def loss(q, k, x):
        queue, partners = jnp.float32([[0, 0, 1]]), jnp.array([0])
        factors = {**UNMOVED, "extrapolation": x, "query_extrapolation": x}
        return transformed_queue_nce(
            q, k, queue=queue, partners=partners, temperature=1.0, **factors
        )

    for angle in (0.0, 0.4, 2.0, np.pi):
        q, k = np.float32([[1, 0, 0]]), np.float32([[np.cos(angle), np.sin(angle), 0]])
        for x in (1.0, 1.3, 2.0):
            c = np.cos(angle)
            product = c + 2 * x * (1 - x) * (1 - c)
            np.testing.assert_allclose(
                loss(q, k, jnp.float32(x)), np.log1p(np.exp(-product)), rtol=1e-5
            )
            assert product <= c
