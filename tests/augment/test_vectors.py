"""Views of feature vectors: how much noise, how many hidden, and what they depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.vectors import feature_noise
from jcl.errors import UserError

BATCH, FEATURES = 512, 24
KEYS = jax.random.split(jax.random.key(0), BATCH)
VECTORS = jax.random.normal(jax.random.key(1), (BATCH, FEATURES))


def noisy(**options):
    """The recipe as a function of keys and vectors alone."""
    recipe = feature_noise(**options)
    return lambda keys, vectors: recipe(keys, {"features": vectors})["features"]


@pytest.fixture(scope="module")
def views():
    return np.asarray(jax.jit(noisy(noise=0.5, mask=0.3))(KEYS, VECTORS))


def test_the_noise_is_normal_with_its_deviation(views):
    residual = (views - VECTORS[:, None])[views != 0] / 0.5
    n = len(residual)
    assert n > 10_000
    # Moments of a standard normal distribution, within five of their standard errors.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert np.mean(residual**power) == pytest.approx(moment, abs=5 * (variance / n) ** 0.5)


def test_the_mask_hides_its_share_of_every_feature(views):
    hidden = views == 0
    assert hidden.mean() == pytest.approx(0.3, abs=5 * (0.21 / hidden.size) ** 0.5)
    each = hidden.mean((0, 1))
    np.testing.assert_allclose(each, 0.3, atol=5 * (0.21 / (2 * BATCH)) ** 0.5)


def test_views_and_features_are_independent(views):
    hidden = views == 0
    both = hidden.all(1).mean()
    assert both == pytest.approx(0.09, abs=5 * (0.09 * 0.91 / (BATCH * FEATURES)) ** 0.5)
    neighbours = (hidden[..., 1:] & hidden[..., :-1]).mean()
    assert neighbours == pytest.approx(0.09, abs=5 * (0.09 * 0.91 / (2 * BATCH * 23)) ** 0.5)
    seen = ~hidden.any(1)
    residual = views - VECTORS[:, None]
    correlation = np.corrcoef(residual[:, 0][seen], residual[:, 1][seen])[0, 1]
    assert abs(correlation) < 5 / seen.sum() ** 0.5


def test_a_view_depends_on_its_key_alone(views):
    order = np.random.default_rng(1).permutation(BATCH)
    make = jax.jit(noisy(noise=0.5, mask=0.3))
    np.testing.assert_array_equal(make(KEYS[order], VECTORS[order]), views[order])
    assert views.dtype == np.float32
    assert views.shape == (BATCH, 2, FEATURES)
    assert len(np.unique(views, axis=0)) == BATCH


def test_nothing_and_everything():
    np.testing.assert_array_equal(
        noisy(noise=0.0, mask=0.0)(KEYS[:4], VECTORS[:4]), np.stack([VECTORS[:4]] * 2, 1)
    )
    assert not np.asarray(noisy(mask=1.0)(KEYS[:4], VECTORS[:4])).any()


def test_double_precision_stays():
    with jax.enable_x64(True):
        vectors = jax.ShapeDtypeStruct((BATCH, 3), jnp.float64)
        assert jax.eval_shape(noisy(), KEYS, vectors).dtype == jnp.float64


def test_images_are_refused():
    message = r"views.name='feature_noise' takes feature vectors \[B, F\].*float32\[2, 8, 8, 1\]"
    with pytest.raises(UserError, match=message):
        noisy()(KEYS[:2], jnp.zeros((2, 8, 8, 1)))
