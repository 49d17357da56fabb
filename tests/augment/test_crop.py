"""Crops against Pillow, and their boxes against plain rejection sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image

from jcl.augment.crop import evaluation_view, random_box, random_resized_crop
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 8)
ASPECT = (0.6, 4 / 3)  # not symmetric, so that width over height is not height over width
FILTERS = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC}


def pillow_resize(image, size, method, box=None):
    """Resizes to size = (height, width) in float32, so that Pillow rounds nothing."""
    channels = [
        Image.fromarray(channel).resize(size[::-1], FILTERS[method], box=box)
        for channel in np.moveaxis(np.asarray(image, np.float32), -1, 0)
    ]
    return np.clip(np.stack([np.asarray(channel) for channel in channels], -1), 0, 1)


@pytest.mark.parametrize(("method", "size"), [("linear", None), ("cubic", 16)])
def test_crop_agrees_with_pillow(method, size, noise):
    """On noise, where every tap of the filter counts: some boxes are enlarged, some reduced."""
    image = noise.astype(np.float32) / 255
    height, width, _ = image.shape
    options = {"area": (0.1, 1.0), "aspect": ASPECT}

    @quick_jit
    @jax.vmap
    def crop(key):
        view = random_resized_crop(key, jnp.asarray(image), size=size, method=method, **options)
        return view, *random_box(key, height, width, **options)

    for view, (top, left), (box_height, box_width) in zip(
        *map(np.asarray, crop(KEYS)), strict=True
    ):
        box = np.clip([left, top, left + box_width, top + box_height], 0, [width, height] * 2)
        expected = pillow_resize(image, view.shape[:2], method, tuple(map(float, box)))
        np.testing.assert_allclose(view, expected, atol=2e-5)


def test_crop_of_everything_is_the_image(picture):
    square = {"area": (1.0, 1.0), "aspect": (1.0, 1.0)}
    crop = quick_jit(lambda key: random_resized_crop(key, picture, **square))(KEYS[0])
    np.testing.assert_allclose(crop, picture, atol=1e-6)


def rejection_sampling(rng, height, width, area):
    """top, left, height, width as in torchvision, without its rounding to pixels."""
    for _ in range(10):
        pixels = height * width * rng.uniform(*area)
        ratio = np.exp(rng.uniform(*np.log(ASPECT)))
        box = np.sqrt([pixels / ratio, pixels * ratio])
        if box[0] <= height and box[1] <= width:
            return [*rng.uniform(0, 1, 2) * ([height, width] - box), *box]
    box = np.array([height, min(width, height * ASPECT[1])])
    return [*([height, width] - box) / 2, *box]


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36)])
def test_boxes_are_those_of_rejection_sampling(height, width):
    """The same distribution of area, aspect and place, by Kolmogorov's and Smirnov's test."""
    area, count = (0.08, 1.0), 4000
    draw = jax.vmap(lambda key: random_box(key, height, width, area=area, aspect=ASPECT))
    corner, box = map(np.asarray, quick_jit(draw)(jax.random.split(jax.random.key(1), count)))
    assert (corner >= 0).all()
    assert (corner + box <= np.array([height, width]) * (1 + 1e-6)).all()

    rng = np.random.default_rng(2)
    expected = np.array([rejection_sampling(rng, height, width, area) for _ in range(count)])
    drawn = np.concatenate([corner, box], 1)
    statistics = {
        "area": lambda x: x[:, 2] * x[:, 3],
        "aspect": lambda x: x[:, 3] / x[:, 2],
        "top": lambda x: x[:, 0],
        "left": lambda x: x[:, 1],
    }
    for name, statistic in statistics.items():
        assert scipy.stats.ks_2samp(statistic(drawn), statistic(expected)).pvalue > 1e-3, name
    pairs = np.triu_indices(4, 1)
    np.testing.assert_allclose(
        np.corrcoef(drawn.T)[pairs], np.corrcoef(expected.T)[pairs], atol=0.07
    )


@pytest.mark.parametrize(
    ("shape", "area", "aspect", "box"),
    [
        ((8, 64), (0.9, 1.0), ASPECT, (8, 8 * 4 / 3)),
        ((64, 8), (0.9, 1.0), ASPECT, (8 / 0.6, 8)),
        ((20, 25), (1.5, 1.5), ASPECT, (20, 25)),
    ],
    ids=["wide", "tall", "no candidate fits"],
)
def test_where_nothing_fits_the_crop_is_the_middle(shape, area, aspect, box):
    draw = quick_jit(lambda key: random_box(key, *shape, area=area, aspect=aspect))
    corner, drawn = draw(KEYS[0])
    np.testing.assert_allclose(drawn, box, rtol=1e-6)
    np.testing.assert_allclose(corner, (np.array(shape) - box) / 2, atol=1e-5)


def test_probes_see_the_middle(noise):
    image = noise.astype(np.float32) / 255  # 20 x 28
    images = jnp.asarray(image)[None]
    assert evaluation_view(images, None) is images
    np.testing.assert_array_equal(evaluation_view(images, 16)[0], image[2:18, 6:22])
    np.testing.assert_array_equal(evaluation_view(images, 20)[0], image[:, 4:24])
    enlarged = pillow_resize(image, (25, 35), "cubic")
    np.testing.assert_allclose(evaluation_view(images, 25)[0], enlarged[:, 5:30], atol=2e-5)
    turned = jnp.swapaxes(images, 1, 2)
    np.testing.assert_allclose(
        evaluation_view(turned, 25), jnp.swapaxes(evaluation_view(images, 25), 1, 2), atol=2e-5
    )
