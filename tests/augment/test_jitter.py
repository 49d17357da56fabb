"""Colour jitter: every order is the composition of its parts, and all orders are as likely."""

import itertools

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest
import scipy.stats

from jcl.augment import color
from jcl.augment.jitter import color_jitter, random_color_jitter, random_order
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 400)
ORDERS = np.array(list(itertools.permutations(range(4))))


def test_every_order_composes_the_four_adjustments(noise):
    """The parts are checked against Pillow elsewhere; here values clip, so that order counts."""
    image = jnp.asarray(noise, jnp.float32) / 255
    factors, shift = jnp.array([1.5, 1.6, 1.4], jnp.float32), jnp.float32(0.15)
    parts = [
        jax.jit(lambda x: color.adjust_brightness(x, factors[0])),
        jax.jit(lambda x: color.adjust_contrast(x, factors[1])),
        jax.jit(lambda x: color.adjust_saturation(x, factors[2])),
        jax.jit(lambda x: color.adjust_hue(x, shift)),
    ]
    # Fully optimised: fused programs round otherwise than the parts do.
    apply = jax.jit(jax.vmap(lambda order: color_jitter(image, order, factors, shift)))
    results = np.asarray(apply(jnp.asarray(ORDERS)))
    for order, result in zip(ORDERS, results, strict=True):
        expected = image
        for part in order:
            expected = parts[part](expected)
        np.testing.assert_allclose(result, expected, atol=2e-5)
    spread = np.abs(results[:, None] - results[None]).mean((2, 3, 4)) + np.eye(24)
    assert spread.min() > 1e-3  # no two orders give the same


def test_all_orders_are_as_likely():
    orders = np.asarray(quick_jit(jax.vmap(random_order))(jax.random.split(KEYS[0], 4800)))
    counts = (orders[:, None] == ORDERS).all(-1).sum(0)
    assert counts.sum() == 4800
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_brightness_and_contrast_factors_are_uniform_and_apart(noise):
    image = np.float32(0.4 + 0.1 * noise / 255)  # nothing clips
    strengths = {"brightness": 0.3, "contrast": 0.5, "saturation": 0.0, "hue": 0.0}
    jitter = jax.vmap(
        lambda key: random_color_jitter(key, jnp.asarray(image), probability=0.8, **strengths)
    )
    results = np.asarray(quick_jit(jitter)(KEYS))
    luma = lambda x: x @ np.float32([0.299, 0.587, 0.114])  # noqa: E731
    gain = luma(results).mean((1, 2)) / luma(image).mean()
    scale = results.std((1, 2, 3)) / image.std() / gain
    changed = np.abs(results - image).max((1, 2, 3)) > 1e-5
    assert changed.mean() == pytest.approx(0.8, abs=0.06)  # three standard deviations
    gain, scale = gain[changed], scale[changed]
    assert scipy.stats.kstest(gain, scipy.stats.uniform(0.7, 0.6).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(scale, scipy.stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(gain, scale)[0, 1]) < 0.2
    # One affine map of the image: each result is recovered from its two factors.
    mean = luma(image).mean()
    fitted = gain[:, None, None, None] * (mean + scale[:, None, None, None] * (image - mean))
    np.testing.assert_allclose(results[changed], fitted, atol=1e-4)


def test_saturation_and_hue_are_uniform_and_in_both_orders(noise):
    """Hue keeps the largest channel, so that tells whether saturation came before it."""
    image = np.float32(0.35 + 0.3 * noise[8:] / 255)  # nothing clips
    strengths = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.3, "hue": 0.2}
    jitter = jax.vmap(
        lambda key: random_color_jitter(key, jnp.asarray(image), probability=1.0, **strengths)
    )
    results = np.asarray(quick_jit(jitter)(KEYS))
    factor = np.ptp(results, -1).mean((1, 2)) / np.ptp(image, -1).mean()
    hue = lambda x: matplotlib.colors.rgb_to_hsv(x)[..., 0]  # noqa: E731
    hues = hue(results) - hue(image)
    shift = np.angle(np.exp(2j * np.pi * hues).mean((1, 2))) / (2 * np.pi)
    assert scipy.stats.kstest(factor, scipy.stats.uniform(0.7, 0.6).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(shift, scipy.stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(factor, shift)[0, 1]) < 0.2

    gray = image @ np.float32([0.299, 0.587, 0.114])
    saturated = gray + factor[:, None, None] * (image.max(-1) - gray)
    telling = np.abs(factor - 1) * np.abs(shift) > 0.002  # else the two orders hardly differ
    before = np.abs(results.max(-1) - saturated).max((1, 2)) < 1e-4
    assert before[telling].mean() == pytest.approx(0.5, abs=0.1)
