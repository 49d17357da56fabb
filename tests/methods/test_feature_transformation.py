"""Feature transformation: what it draws in a step. Its loss has tests of its own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import query_queue_nce
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.feature_transformation import FeatureTransformation, draw_beta
from tests.losses import test_transformed_queue_nce as transformed
from tests.losses.exactness import log_sum_exp, unit
from tests.methods.parts.test_momentum import Factor

KEY = jax.random.key(7)


def method(**options):
    networks = {"encoder": Factor(), "projector": Factor()}
    return FeatureTransformation(**networks, queue_size=transformed.QUEUE, **options)


@functools.cache
def loss(**options):
    q, k, queue = map(jnp.float32, transformed.arrays())
    variables = Variables({}, {}, {"queue": {"rows": queue, "position": jnp.int32(0)}})
    embeddings = {"query": q, "key": k}
    made = method(**options)
    return jax.jit(
        lambda key: made.objective(variables, embeddings, {}, Clock(0, 4, 8), key, None).loss
    )(KEY)


def formula(*, move_positive=True, move_queue=True, move_queries=True):
    """With what the method draws from the key: two factors and the partners."""
    positive_key, negative_key, order_key = jax.random.split(KEY, 3)
    x = 1 + float(draw_beta(positive_key, 2.0, jnp.float32)) if move_positive else 1.0
    w = float(draw_beta(negative_key, 1.6, jnp.float32)) if move_queue else 1.0
    partners = np.asarray(jax.random.permutation(order_key, transformed.QUEUE))
    assert sorted(partners) == list(range(transformed.QUEUE))
    q, k, n = map(unit, transformed.arrays())
    cosine = (q * k).sum(1, keepdims=True)
    own = cosine + 2 * x * (1 - x) * (1 - cosine)
    asking = x * q + (1 - x) * k if move_queries else q
    others = asking @ (w * n + (1 - w) * n[partners]).T
    logits = np.concatenate([own, others], axis=1) / 0.2
    return (log_sum_exp(logits) - logits[:, 0]).mean()


def test_the_loss_of_a_step_against_numpy():
    np.testing.assert_allclose(loss(), formula(), rtol=1e-5)
    unmoved = {"positive_alpha": 0.0, "negative_alpha": 0.0}
    np.testing.assert_allclose(
        loss(**unmoved), formula(move_positive=False, move_queue=False), rtol=1e-5
    )


@pytest.mark.slow
def test_each_part_by_itself_against_numpy():
    for options, parts in (
        ({"move_queries": False}, {"move_queries": False}),
        ({"positive_alpha": 0.0}, {"move_positive": False}),
        ({"negative_alpha": 0.0}, {"move_queue": False}),
    ):
        np.testing.assert_allclose(loss(**options), formula(**parts), rtol=1e-5)
    found = {float(loss(**options)) for options in ({}, {"move_queries": False})}
    assert len(found) == 2


def test_without_both_factors_it_is_moco_s():
    q, k, queue = map(jnp.float32, transformed.arrays())
    moco = jax.jit(lambda q: query_queue_nce(q, k, queue=queue, temperature=0.2))(q)
    assert loss(positive_alpha=0.0, negative_alpha=0.0) == moco


def test_factors_are_drawn_from_beta():
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(jax.jit(jax.vmap(lambda key: draw_beta(key, 1.6, jnp.float32)))(keys))
    assert 0 < drawn.min() < 0.02 < 0.98 < drawn.max() < 1
    # Mean 1/2 and variance 1 / (8 a + 4), each within about four deviations of 4,000 draws.
    np.testing.assert_allclose(drawn.mean(), 1 / 2, atol=0.016)
    np.testing.assert_allclose(drawn.var(), 1 / (8 * 1.6 + 4), rtol=0.06)


def test_impossible_options_are_refused():
    for key in ("positive_alpha", "negative_alpha"):
        for value in (-1.0, np.inf):
            with pytest.raises(UserError, match=rf"^method\.{key}={value} is impossible"):
                method(**{key: value})
