"""Recipes: what they do in which order, and what every recipe owes the train step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS, byol, recipes, simclr
from jcl.config import base
from jcl.config.names import build
from jcl.errors import UserError
from jcl.mesh import batch_sharding, make_mesh
from tests.augment.quick_jit import quick_jit

BATCH = 32
KEYS = jax.random.split(jax.random.key(0), BATCH)
UNCROPPED = (("min_area", 1.0), ("brightness", 0.3), ("contrast", 0.5))  # of crop_flip_light
# Recipes of two views of one size; those of several sizes and kinds have tests of their own.
OTHERS = (
    "feature_noise",
    "multi_crop",
    "shapes_multi_crop",
    "image_and_text",
    "partners",
    "shapes_boxes",
    "batch_styles",
    "turned",
    "two_clips",
    "shapes_two_clips",
    *("text_copies", "text_crop", "text_deletion", "text_repetition", "texts"),
)
OF_IMAGES = [name for name in VIEWS if name not in OTHERS]


def of_images(recipe):
    """The recipe as a function of keys and images alone."""
    return lambda keys, images: recipe(keys, {"image": images})["image"]


def named(name, **options):
    """The recipe that a config with these options asks for."""
    config = base()
    config.views.update({"name": name, **options})
    return of_images(build("views", config.views, VIEWS))


@functools.cache
def compiled(name, *options):
    """The recipe, compiled once for all the tests that run it."""
    return quick_jit(named(name, **dict(options)))


def shapes_of(recipe, height, width, channels, dtype=jnp.float32):
    images = jax.ShapeDtypeStruct((BATCH, height, width, channels), dtype)
    return jax.eval_shape(recipe, KEYS, images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_two_views_of_the_image_size_or_of_the_size_asked(name, channels):
    if (name, channels) == ("shapes", 1):
        pytest.skip("shapes refuses gray images")
    assert shapes_of(named(name), 20, 20, channels).shape == (BATCH, 2, 20, 20, channels)
    if name not in ("shapes", "crop_flip_light"):
        sized = shapes_of(named(name, size=16), 20, 24, channels)
        assert sized.shape == (BATCH, 2, 16, 16, channels)
        assert sized.dtype == jnp.float32


@pytest.mark.parametrize("name", ["shapes", "crop_flip_light", "simclr_imagenet", "byol"])
def test_double_precision_stays(name):
    with jax.enable_x64(True):
        assert shapes_of(named(name), 20, 20, 3, jnp.float64).dtype == jnp.float64


@pytest.mark.parametrize(
    ("name", "options", "channels"),
    [
        ("shapes", (), 3),
        ("crop_flip_light", UNCROPPED, 3),
        ("crop_light", (), 1),
        ("simclr_imagenet", (("size", 16),), 3),
        ("simclr_cifar", (), 1),
        ("byol", (("min_area", 1.0),), 3),
        ("weak", (), 3),
    ],
)
def test_a_view_depends_on_its_key_alone(name, options, channels, picture):
    images = jnp.stack([picture[..., :channels]] * BATCH)
    make = compiled(name, *options)
    views = np.asarray(make(KEYS, images))
    assert np.isfinite(views).all()
    assert 0 <= views.min() <= views.max() <= 1
    assert views.dtype == np.float32
    order = np.random.default_rng(0).permutation(BATCH)
    np.testing.assert_array_equal(make(KEYS[order], images), views[order])
    assert np.abs(views[:, 0] - views[:, 1]).max((1, 2, 3)).min() > 0.005
    assert len(np.unique(views.round(4), axis=0)) == BATCH
    assert make._cache_size() == 1


def test_a_sharded_batch_is_augmented_where_it_lies():
    """No device waits for another, and each makes views of its own examples alone."""
    mesh = make_mesh()
    assert mesh.size == 8
    sharding = batch_sharding(mesh)
    make = jax.jit(named("simclr_imagenet"), in_shardings=sharding, out_shardings=sharding)
    images = jax.ShapeDtypeStruct((BATCH, 24, 24, 3), jnp.float32)
    options = {"xla_backend_optimization_level": 0}
    program = make.lower(KEYS, images).compile(options).as_text()
    assert f"f32[{BATCH // 8},2,24,24,3]" in program
    for collective in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert collective not in program


def record(monkeypatch, module, make, shape):
    """Traces a recipe and lists the random changes that it makes, with their options."""
    calls = []

    def spied(name, function):
        def spy(key, image, **options):
            calls.append((name, options))
            return function(key, image, **options)

        return spy

    for name in [name for name in vars(module) if name.startswith("random_")]:
        monkeypatch.setattr(module, name, spied(name, getattr(module, name)))
    jax.eval_shape(make, KEYS[:1], jax.ShapeDtypeStruct(shape, jnp.float32))
    return calls


def crop(min_area, size):
    return ("random_resized_crop", {"area": (min_area, 1.0), "size": size, "method": "cubic"})


def jitter(brightness, contrast, saturation, hue, probability=0.8):
    options = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    return (
        "random_color_jitter",
        pytest.approx({**options, "hue": hue, "probability": probability}),
    )


FLIP = ("random_flip", {})
GRAY = ("random_grayscale", {"probability": 0.2})


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "simclr_imagenet",
            {},
            [
                crop(0.08, None),
                FLIP,
                jitter(0.8, 0.8, 0.8, 0.2),
                GRAY,
                ("random_gaussian_blur", {"probability": 0.5}),
            ],
        ),
        ("simclr_cifar", {}, [crop(0.08, None), FLIP, jitter(0.4, 0.4, 0.4, 0.1), GRAY]),
        (
            "simclr_cifar",
            {"size": 8, "min_area": 0.2, "strength": 0.25, "jitter": 0.4, "grayscale": 0.0},
            [
                crop(0.2, 8),
                FLIP,
                jitter(0.2, 0.2, 0.2, 0.05, probability=0.4),
                ("random_grayscale", {"probability": 0.0}),
            ],
        ),
    ],
)
def test_simclr_is_that_of_the_paper(name, options, expected, monkeypatch):
    """Against the numbers of Chen et al. 2020, App. A and B.9."""
    make = named(name, **options)
    assert record(monkeypatch, simclr, make, (1, 16, 16, 3)) == expected


def test_byol_is_that_of_the_paper(monkeypatch):
    """Against the numbers of Grill et al. 2020, Table 6; the next test tells the views apart."""
    calls = record(monkeypatch, byol, named("byol"), (1, 16, 16, 3))
    assert calls[:4] == [crop(0.08, None), FLIP, jitter(0.4, 0.4, 0.2, 0.1), GRAY]
    assert [name for name, _ in calls[4:]] == ["random_gaussian_blur", "random_solarize"]


def test_weak_is_crop_and_flip(monkeypatch):
    calls = record(monkeypatch, recipes, named("weak", min_area=0.5), (1, 16, 16, 3))
    assert calls == [crop(0.5, None), FLIP]


def test_crop_light_is_a_square_crop_without_a_mirror(monkeypatch):
    monkeypatch.setattr(recipes, "_random_levels", lambda key, image, *factors: image)
    calls = record(monkeypatch, recipes, named("crop_light"), (1, 16, 16, 1))
    square = {"area": (0.5, 1.0), "aspect": (1.0, 1.0), "size": None}
    assert calls == [("random_resized_crop", square)]


def test_crop_light_keeps_angles():
    """A ramp at 30 degrees: its gradient has that direction in every view, never the mirror's."""
    y, x = np.mgrid[0:24, 0:24] / 24
    ramp = 0.3 + 0.2 * (np.cos(np.pi / 6) * x + np.sin(np.pi / 6) * y)
    images = jnp.broadcast_to(ramp[..., None].astype(np.float32), (BATCH, 24, 24, 1))
    views = np.asarray(compiled("crop_light")(KEYS, images))[:, :, 4:-4, 4:-4, 0]  # no edges
    down, right = (np.gradient(views, axis=axis).mean((2, 3)) for axis in (2, 3))
    np.testing.assert_allclose(np.degrees(np.arctan2(down, right)), 30, atol=0.05)
    slopes = np.hypot(down, right)
    assert slopes.max() / slopes.min() > 1.3  # crops and contrasts differ


def test_byol_always_blurs_view_0_and_solarises_a_fifth_of_view_1():
    """A ramp of gray rows with one brighter column, never cropped.

    Jitter keeps the rows in order, so only solarising makes a lower row darker; and a neighbour of
    the brighter column differs from the columns far away after a blur only.
    """
    ramp = jnp.broadcast_to(jnp.linspace(0.4, 1, 24)[:, None], (24, 24)).at[:, 6].add(-0.1)
    images = jnp.broadcast_to(ramp[..., None], (BATCH, 24, 24, 3))
    make = compiled("byol", ("min_area", 1.0))
    keys = jax.random.split(jax.random.key(1), (12, BATCH))
    views = np.concatenate([make(some, images) for some in keys])  # [384, 2, 24, 24, 3]
    far = views[..., 12, 0]
    solarised = (np.diff(far, axis=2) < -1e-3).any(2).mean(0)
    assert solarised[0] == 0
    assert solarised[1] == pytest.approx(0.2, abs=0.06)  # three standard deviations
    beside = np.abs(views[:, :, 2, :, 0] - far[:, :, 2, None]) > 1e-5
    blurred = (beside.sum(2) > 1).mean(0)
    # 6% of the deviations are below 0.21 pixels, a blur that does not show.
    assert blurred[0] == pytest.approx(0.94, abs=0.04)
    assert blurred[1] == pytest.approx(0.094, abs=0.045)


def test_none_shows_what_probes_see(picture):
    images = jnp.stack([picture, picture[::-1]])
    views = named("none")(KEYS[:2], images)
    np.testing.assert_array_equal(views, np.stack([images, images], 1))
    views = named("none", size=16)(KEYS[:2], images)
    np.testing.assert_array_equal(views, np.stack([images[:, 4:20, 4:20]] * 2, 1))


def test_crop_flip_light_scales_contrast_before_brightness(monkeypatch):
    calls = []
    for name in ("adjust_brightness", "adjust_contrast"):
        spy = lambda image, factor, name=name: calls.append(name) or image  # noqa: E731
        monkeypatch.setattr(recipes, name, spy)
    shapes_of(named("crop_flip_light"), 8, 8, 1)
    assert calls == ["adjust_contrast", "adjust_brightness"]


def test_crop_flip_light_is_two_affine_changes(picture):
    """Without a crop: every view is the image or its mirror, scaled twice."""
    images = jnp.stack([0.4 + 0.1 * picture] * BATCH)  # nothing clips
    views = np.asarray(compiled("crop_flip_light", *UNCROPPED)(KEYS, images))[:, 0]
    image = np.asarray(images[0])
    mean = (image @ np.float32([0.299, 0.587, 0.114])).mean()
    flipped, factors = 0, []
    for view in views:
        fits = [np.polyfit(x.ravel(), view.ravel(), 1) for x in (image, image[:, ::-1])]
        errors = [
            np.abs(slope * x + offset - view).max()
            for (slope, offset), x in zip(fits, (image, image[:, ::-1]), strict=True)
        ]
        flipped += int(np.argmin(errors))
        assert min(errors) < 1e-5
        slope, offset = fits[np.argmin(errors)]
        gain = (slope * mean + offset) / mean
        assert 0.7 <= gain <= 1.3
        assert 0.5 - 1e-4 <= slope / gain <= 1.5 + 1e-4
        factors.append((gain, slope / gain))
    assert np.ptp(factors, axis=0) == pytest.approx([0.6, 1.0], rel=0.2)
    assert abs(np.corrcoef(np.transpose(factors))[0, 1]) < 0.5  # three standard deviations
    assert flipped == pytest.approx(BATCH / 2, abs=9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("simclr_imagenet", {"blur": 1.5}),
        ("simclr_imagenet", {"strength": -0.1}),
        ("simclr_cifar", {"grayscale": 2.0}),
        ("byol", {"min_area": 0.0}),
        ("weak", {"size": 0}),
        ("none", {"size": -3}),
        ("none", {"min_area": 0.5}),
        ("shapes", {"blur": 0.5}),
        ("feature_noise", {"noise": -0.1}),
        ("feature_noise", {"mask": 1.5}),
    ],
)
def test_wrong_options_end_in_a_sentence(name, options):
    with pytest.raises(UserError, match=f"views.{next(iter(options))}="):
        named(name, **options)


def test_recipes_that_turn_images_refuse_oblong_ones():
    oblong = jnp.zeros((1, 8, 6, 3))
    for recipe in (recipes.shapes, recipes.crop_light):
        with pytest.raises(UserError, match=r"square images, but these are 8x6; views.size"):
            jax.eval_shape(of_images(recipe()), KEYS[:1], oblong)
        views = jax.eval_shape(of_images(recipe(size=4)), KEYS[:1], oblong)
        assert views.shape == (1, 2, 4, 4, 3)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_recipes_for_images_refuse_feature_vectors(name):
    message = (
        rf"views.name='{name}' takes images \[B, H, W, C\], but these examples are float32\[3, 9\]"
    )
    with pytest.raises(UserError, match=message):
        named(name)(KEYS[:3], jnp.zeros((3, 9)))


def test_colour_recipes_refuse_gray_images():
    with pytest.raises(UserError, match="3 channels"):
        of_images(recipes.shapes())(KEYS[:1], jnp.zeros((1, 8, 8, 1)))
