"""Colour operations against Pillow and matplotlib."""

import jax
import jax.numpy as jnp
import matplotlib.colors
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from jcl.augment import color
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 200)
FACTORS = (0.0, 0.3, 1.0, 1.7)


@pytest.mark.parametrize(
    ("function", "enhance"),
    [
        (color.adjust_brightness, ImageEnhance.Brightness),
        (color.adjust_contrast, ImageEnhance.Contrast),
        (color.adjust_saturation, ImageEnhance.Color),
    ],
    ids=["brightness", "contrast", "saturation"],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_adjustments_agree_with_pillow(function, enhance, mode, noise):
    picture = Image.fromarray(noise).convert(mode)
    ours = quick_jit(function)
    image = jnp.asarray(picture, jnp.float32).reshape(20, 28, -1) / 255
    for factor in FACTORS:
        result = np.asarray(ours(image, factor))
        theirs = np.asarray(enhance(picture).enhance(factor), np.float32).reshape(image.shape)
        # Pillow rounds the gray level it blends with, which counts (1 - factor) times, and drops
        # the fraction of the result.
        bound = (1.01 + 0.5 * abs(1 - factor)) / 255
        assert np.abs(result - theirs / 255).max() <= bound


def test_hue_turns_as_in_matplotlib(noise):
    image = noise.astype(np.float32) / 255
    turn = quick_jit(color.adjust_hue)
    for shift in (-0.5, -0.2, 0.0, 0.1, 0.35):
        hsv = matplotlib.colors.rgb_to_hsv(image.astype(np.float64))
        hsv[..., 0] = (hsv[..., 0] + shift) % 1
        expected = matplotlib.colors.hsv_to_rgb(hsv)
        np.testing.assert_allclose(turn(jnp.asarray(image), shift), expected, atol=3e-6)


def test_gray_images_have_no_saturation_and_no_hue(noise):
    image = jnp.asarray(noise[..., :1], jnp.float32) / 255
    np.testing.assert_array_equal(color.luma(image), image)
    np.testing.assert_array_equal(color.adjust_hue(image, 0.3), image)
    np.testing.assert_allclose(color.adjust_saturation(image, 0.3), image, atol=1e-6)
    key = KEYS[0]
    np.testing.assert_array_equal(color.random_grayscale(key, image, probability=1.0), image)


def test_solarize_agrees_with_pillow(noise):
    """From the threshold on, so the level of the threshold itself is inverted."""
    image = jnp.asarray(noise / np.float32(255))
    for level in (64, 128):
        theirs = np.asarray(ImageOps.solarize(Image.fromarray(noise), level)) / 255
        np.testing.assert_allclose(color.solarize(image, level / 255), theirs, atol=1e-6)
        assert (noise == level).any()


@pytest.mark.parametrize(
    ("function", "changed"),
    [
        (color.random_grayscale, lambda x: np.stack([x @ [0.299, 0.587, 0.114]] * 3, -1)),
        (color.random_solarize, lambda x: np.where(x < 0.5, x, 1 - x)),
    ],
)
def test_random_changes_happen_as_often_as_asked(function, changed, picture):
    results = quick_jit(jax.vmap(lambda key: function(key, picture, probability=0.2)))(KEYS)
    expected = np.stack([np.asarray(picture), changed(np.asarray(picture))])
    distances = np.abs(np.asarray(results)[:, None] - expected[None]).max((2, 3, 4))
    assert distances.min(1).max() < 1e-6
    # Three standard deviations.
    assert distances.argmin(1).mean() == pytest.approx(0.2, abs=0.085)


def test_channel_mix_is_one_matrix_about_the_middle_and_keeps_the_range(picture):
    pixels = np.asarray(picture).reshape(-1, 3) - 0.5
    mix = quick_jit(lambda key: color.random_channel_mix(key, picture, strength=1.0))
    for key in KEYS[:8]:
        out = np.asarray(mix(key))
        assert 0 <= out.min() <= out.max() <= 1
        matrix, *_ = np.linalg.lstsq(pixels, out.reshape(-1, 3) - 0.5, rcond=None)
        np.testing.assert_allclose(pixels @ matrix, out.reshape(-1, 3) - 0.5, atol=1e-5)
        np.testing.assert_allclose(np.abs(matrix).sum(0), 1, atol=1e-4)
    np.testing.assert_allclose(
        color.random_channel_mix(KEYS[0], picture, strength=0.0), picture, atol=1e-6
    )


def test_factors_are_uniform_and_never_negative():
    draw = quick_jit(jax.vmap(lambda key: color.random_factor(key, 0.4)))
    factors = np.asarray(draw(jax.random.split(jax.random.key(1), 2000)))
    np.testing.assert_allclose(
        np.quantile(factors, [0, 0.25, 0.5, 0.75, 1]), [0.6, 0.8, 1.0, 1.2, 1.4], atol=0.03
    )
    wide = quick_jit(jax.vmap(lambda key: color.random_factor(key, 1.5)))(KEYS)
    assert 0 <= wide.min() < 0.1
    assert 2.4 < wide.max() <= 2.5
