"""Augmentations against Pillow and NumPy, where they have a closed meaning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jcl.augment import image as augment
from jcl.augment.recipes import crop_flip_light, shapes
from jcl.errors import UserError

KEYS = jax.random.split(jax.random.key(0), 64)


@pytest.fixture(scope="module")
def picture():
    """A smooth 24x24 colour image, so that resampling has one right answer."""
    y, x = np.mgrid[0:24, 0:24] / 23
    return jnp.stack([x, y, 0.5 + 0.5 * np.sin(4 * x + 3 * y)], -1).astype(jnp.float32)


def test_to_float_divides_by_255():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_allclose(
        np.ravel(augment.to_float(jnp.asarray(images))), np.arange(256) / 255, rtol=1e-7
    )


def test_crop_of_everything_is_the_image(picture):
    crop = jax.jit(
        lambda k: augment.random_resized_crop(k, picture, area=(1.0, 1.0), aspect=(1.0, 1.0))
    )
    np.testing.assert_allclose(crop(KEYS[0]), picture, atol=1e-5)


def test_crop_agrees_with_pillow(picture):
    """The drawn box is found from the ramps in channels 0 and 1, then Pillow resizes that box."""
    crop = jax.jit(lambda k: augment.random_resized_crop(k, picture, area=(0.3, 0.6)))
    inner = slice(4, 20)  # away from the edges, where Pillow and JAX may pad differently
    for key in KEYS[:16]:
        ours = np.asarray(crop(key))
        sampled_x = ours[12, inner, 0] * 23 + 0.5  # in Pillow's pixel coordinates
        sampled_y = ours[inner, 12, 1] * 23 + 0.5
        centres = np.arange(24)[inner] + 0.5
        slope_x, offset_x = np.polyfit(centres, sampled_x, 1)
        slope_y, offset_y = np.polyfit(centres, sampled_y, 1)
        box = (offset_x, offset_y, offset_x + 24 * slope_x, offset_y + 24 * slope_y)
        assert 0.3 * 0.99 <= slope_x * slope_y <= 0.6 * 1.01
        assert 3 / 4 * 0.99 <= slope_x / slope_y <= 4 / 3 * 1.01
        assert min(box) > -0.05
        assert max(box) < 24.05
        box = tuple(np.clip(box, 0, 24))
        for channel in range(3):
            theirs = Image.fromarray(np.asarray(picture[..., channel])).resize(
                (24, 24), Image.Resampling.BILINEAR, box=box
            )
            np.testing.assert_allclose(
                ours[inner, inner, channel], np.asarray(theirs)[inner, inner], atol=4e-3
            )


def test_crop_area_is_uniform_in_its_range(picture):
    crop = jax.jit(jax.vmap(lambda k: augment.random_resized_crop(k, picture, area=(0.2, 0.6))))
    crops = np.asarray(crop(jax.random.split(jax.random.key(1), 2000)))
    slope = lambda ramp: (ramp[:, 18] - ramp[:, 5]) * 23 / 13  # noqa: E731
    areas = slope(crops[:, 12, :, 0]) * slope(crops[:, :, 12, 1])
    assert np.mean(areas) == pytest.approx(0.4, abs=0.01)
    assert np.quantile(areas, 0.25) == pytest.approx(0.3, abs=0.015)


@pytest.mark.parametrize(
    ("function", "outcomes"),
    [
        (augment.random_flip, lambda x: [x, x[:, ::-1]]),
        (augment.random_quarter_turn, lambda x: [np.rot90(x, k) for k in range(4)]),
        (
            lambda k, x: augment.random_grayscale(k, x, probability=0.5),
            lambda x: [x, np.repeat((x @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, -1)],
        ),
    ],
    ids=["flip", "quarter turn", "grayscale"],
)
def test_choices_are_the_right_ones_equally_often(function, outcomes, picture):
    results = np.asarray(jax.jit(jax.vmap(function, (0, None)))(KEYS, picture))
    expected = np.stack(outcomes(np.asarray(picture)))
    distances = np.abs(results[:, None] - expected[None]).max((2, 3, 4))
    assert distances.min(1).max() < 1e-6
    counts = np.bincount(distances.argmin(1), minlength=len(expected))
    assert counts.min() > len(KEYS) / len(expected) / 2


def test_channel_mix_is_one_matrix_about_the_middle_and_keeps_the_range(picture):
    pixels = np.asarray(picture).reshape(-1, 3) - 0.5
    for key in KEYS[:8]:
        out = np.asarray(augment.random_channel_mix(key, picture, strength=1.0))
        assert 0 <= out.min() <= out.max() <= 1
        matrix, *_ = np.linalg.lstsq(pixels, out.reshape(-1, 3) - 0.5, rcond=None)
        np.testing.assert_allclose(pixels @ matrix, out.reshape(-1, 3) - 0.5, atol=1e-5)
        np.testing.assert_allclose(np.abs(matrix).sum(0), 1, atol=1e-4)
    np.testing.assert_allclose(
        augment.random_channel_mix(KEYS[0], picture, strength=0.0), picture, atol=1e-6
    )


def test_brightness_and_contrast_are_affine_before_clipping(picture):
    middle = 0.4 + 0.1 * picture  # nothing clips
    for key in KEYS[:8]:
        out = np.asarray(
            augment.random_brightness_contrast(key, middle, brightness=0.3, contrast=0.5)
        )
        slope, offset = np.polyfit(np.ravel(middle), out.ravel(), 1)
        np.testing.assert_allclose(slope * middle + offset, out, atol=1e-5)
        gain = (slope * middle.mean() + offset) / middle.mean()
        assert 0.7 <= gain <= 1.3
        assert 0.5 - 1e-4 <= slope / gain <= 1.5 + 1e-4


@pytest.mark.parametrize("recipe", [shapes, crop_flip_light])
def test_a_view_depends_on_its_key_alone(recipe, picture):
    images = jnp.stack([picture] * 8)
    make = jax.jit(recipe())
    views = np.asarray(make(KEYS[:8], images))
    assert views.shape == (8, 2, 24, 24, 3)
    assert 0 <= views.min() <= views.max() <= 1
    order = np.array([3, 1, 7, 0, 2, 6, 5, 4])
    np.testing.assert_array_equal(np.asarray(make(KEYS[:8][order], images)), views[order])
    assert np.abs(views[:, 0] - views[:, 1]).max((1, 2, 3)).min() > 0.01


def test_colour_recipes_refuse_gray_images():
    with pytest.raises(UserError, match="3 channels"):
        shapes()(KEYS[:1], jnp.zeros((1, 8, 8, 1)))
