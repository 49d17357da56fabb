"""Dropout by example: what a row's mask depends on, and what it does not."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.dropout import Dropout
from jcl.models.mlp import MLPEncoder
from tests.models.networks import drawn_images, drawn_variables, shapes

KEYS = jax.random.split(jax.random.key(0), 6)
ONES = np.ones((6, 500), np.float32)


class Two(nn.Module):
    """Two layers of one network, side by side."""

    @nn.compact
    def __call__(self, x, *, keys):
        return [Dropout(0.3, name=name)(x, keys=keys) for name in ("first", "second")]


@functools.cache
def twice(*rows):
    """What both layers make of those rows, as one batch."""
    order = np.array(rows)
    run = jax.jit(lambda keys: Two().apply({}, jnp.asarray(ONES[order]), keys=keys))
    return np.stack(run(KEYS[order]))


def test_nothing_is_dropped_without_keys_or_at_rate_0():
    x = jnp.asarray(ONES)
    assert Dropout(0.3).apply({}, x) is x
    assert Dropout(0.0).apply({}, x, keys=KEYS) is x


def test_a_share_is_dropped_and_the_rest_is_scaled_up():
    whole = twice(*range(6))
    np.testing.assert_allclose(np.unique(whole), [0, 1 / 0.7], rtol=1e-6)
    # 3000 draws a layer: four standard deviations are 0.034.
    np.testing.assert_allclose((whole == 0).mean((1, 2)), 0.3, atol=0.034)
    # Other masks for every row and layer.
    assert len(np.unique(whole.reshape(12, -1), axis=0)) == 12


def test_a_mask_depends_on_the_rows_key_and_the_layer_alone():
    order = [3, 0, 5]
    np.testing.assert_array_equal(twice(*order), twice(*range(6))[:, order])


def test_an_encoder_drops_after_each_activation_and_keeps_its_parameters():
    plain, dropping = (MLPEncoder(widths=(64, 32), dropout=rate) for rate in (0.0, 0.5))
    assert shapes(plain, 6, 8)[1] == shapes(dropping, 6, 8)[1]
    variables, x = drawn_variables(plain, 6, 8), drawn_images(6, 8)

    @jax.jit
    def outputs(keys):
        runs = (plain, None), (plain, keys), (dropping, None), (dropping, keys)
        return [model.apply(variables, x, train=False, keys=keys) for model, keys in runs]

    expected, *same, found = outputs(KEYS)
    for features in same:
        np.testing.assert_array_equal(features, expected)
    kept = (found != 0) & (expected != 0)
    # The second layer's inputs were masked too, or its values would only be doubled.
    assert 0 < kept.sum() < 0.8 * (expected != 0).sum()
    assert not np.allclose(found[kept], 2 * expected[kept])
    with pytest.raises(UserError, match=r"encoder.dropout=1.0 is impossible: it is at least 0 and"):
        MLPEncoder(dropout=1.0)
