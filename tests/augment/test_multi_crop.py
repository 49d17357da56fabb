"""Views of several sizes: their number and keys, and how much of an image each shows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS, simclr
from jcl.augment.views import Drawing, several_views
from jcl.config import base
from jcl.config.names import build
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

BATCH, SIDE = 24, 24
KEYS = jax.random.split(jax.random.key(0), BATCH)
# Without changes of colour, so that colours tell places.
COLOURS_STAY = {
    "multi_crop": {"strength": 0.0, "grayscale": 0.0, "blur": 0.0},
    "shapes_multi_crop": {"channel_mix": 0.0, "grayscale": 0.0},
}
AREAS = {"multi_crop": (0.05, 0.14, 1.0), "shapes_multi_crop": (0.35, 0.7, 1.0)}
NAMES = list(AREAS)
# Jitter and blur take long to compile.
RUN = [pytest.param("multi_crop", marks=pytest.mark.slow), "shapes_multi_crop"]


def named(name, **options):
    config = base()
    config.views.update({"name": name, **options})
    return build("views", config.views, VIEWS)


def shapes_of(recipe, *shape, dtype=jnp.float32):
    images = jax.ShapeDtypeStruct((BATCH, *shape), dtype)
    return jax.eval_shape(recipe, KEYS, {"image": images})


@functools.cache
def of_a_gradient(name):
    """The recipe, compiled, and images whose red is x and whose green is y, in widths of these."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    image = np.stack([x, y, np.full_like(x, 0.5)], -1).astype(np.float32)
    recipe = named(name, small_size=12, small_crops=3, **COLOURS_STAY[name])
    return quick_jit(recipe), {"image": jnp.stack([jnp.asarray(image)] * BATCH)}


def areas(views):
    """Shares of the gradient's image: how far red and green change from pixel to pixel."""
    side = views.shape[2]
    middle = slice(side // 4, -(side // 4))  # no edges, where a box's outside is seen
    colours = np.asarray(views, np.float64)[:, :, middle, middle, :2]
    by_row, by_column = (np.diff(colours, axis=axis).mean((2, 3)) for axis in (2, 3))
    turned = by_row[..., 0] * by_column[..., 1] - by_row[..., 1] * by_column[..., 0]
    return side**2 * np.abs(turned)


@pytest.mark.parametrize("name", RUN)
def test_small_crops_cover_small_areas(name):
    make, examples = of_a_gradient(name)
    views = make(KEYS, examples)
    assert {kind: x.shape for kind, x in views.items()} == {
        "image": (BATCH, 2, SIDE, SIDE, 3),
        "image_small": (BATCH, 3, 12, 12, 3),
    }
    least, border, most = AREAS[name]
    for kind, low, high in (("image", border, most), ("image_small", least, border)):
        found = areas(views[kind])
        assert found.min() > low * 0.98
        assert found.max() < high * 1.02
        assert np.ptp(found) > 0.7 * (high - low)
        assert len(np.unique(found.round(6))) == found.size  # no two views have one key


@pytest.mark.parametrize("name", RUN)
def test_views_depend_on_the_key_of_their_example_alone(name):
    make, examples = of_a_gradient(name)
    views = jax.tree.map(np.asarray, make(KEYS, examples))
    order = np.random.default_rng(0).permutation(BATCH)
    again = make(KEYS[order], examples)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[order]), again, views)
    assert all(0 <= x.min() <= x.max() <= 1 for x in views.values())


def test_defaults_suit_shapes_and_double_precision_stays():
    with jax.enable_x64(True):
        views = shapes_of(named("shapes_multi_crop"), 32, 32, 3, dtype=jnp.float64)
    assert views["image"].shape == (BATCH, 2, 32, 32, 3)
    assert views["image_small"].shape == (BATCH, 4, 16, 16, 3)
    assert {x.dtype for x in views.values()} == {jnp.dtype("float64")}


def test_multi_crop_is_that_of_the_paper(monkeypatch):
    """Against the numbers of the code that Caron et al. released."""
    calls = []
    for name in [name for name in vars(simclr) if name.startswith("random_")]:
        real = getattr(simclr, name)

        def spy(key, image, real=real, name=name, **options):
            calls.append((name.removeprefix("random_"), options))
            return real(key, image, **options)

        monkeypatch.setattr(simclr, name, spy)
    views = shapes_of(named("multi_crop", size=224), 32, 36, 1)
    assert views["image"].shape == (BATCH, 2, 224, 224, 1)
    assert views["image_small"].shape == (BATCH, 6, 96, 96, 1)
    strengths = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    of_either = [
        ("flip", {}),
        ("color_jitter", pytest.approx({**strengths, "probability": 0.8})),
        ("grayscale", {"probability": 0.2}),
        ("gaussian_blur", {"probability": 0.5}),
    ]
    large = {"area": (0.14, 1.0), "size": 224, "method": "cubic"}
    small = {"area": (0.05, 0.14), "size": 96, "method": "cubic"}
    assert calls == [
        ("resized_crop", large),
        *of_either,
        ("resized_crop", small),
        *of_either,
    ]


def noisy(key, x, number):
    return number * x + 0.01 * jax.random.uniform(key, x.shape)


def test_every_view_has_its_number_and_a_key_of_its_own():
    drawings = {"a": Drawing(noisy, 2, [(1.0, 2.0)]), "b": Drawing(noisy, 3, [(3.0, 4.0, 5.0)])}
    examples = {"features": jnp.ones((BATCH, 4))}
    views = quick_jit(several_views(drawings, takes="features"))(KEYS, examples)
    assert views["b"].shape == (BATCH, 3, 4)
    all_views = np.concatenate([views["a"], views["b"]], axis=1)
    noise = all_views - np.arange(1, 6)[:, None]
    assert 0 <= noise.min() < 0.001
    assert 0.009 < noise.max() <= 0.0101
    assert len(np.unique(noise.round(7))) > 0.98 * noise.size


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"small_size": 0}, "views.small_size=0"),
        ({"small_crops": 0}, "views.small_crops=0"),
        ({"min_small_area": 0.0}, "views.min_small_area=0.0"),
        ({"min_area": 1.5}, "views.min_area=1.5"),
        ({"min_area": 0.1, "min_small_area": 0.2}, "at most views.min_area=0.1"),
        ({"grayscale": 2.0}, "views.grayscale=2.0"),
    ],
)
def test_wrong_options_end_in_a_sentence(name, options, message):
    with pytest.raises(UserError, match=message):
        named(name, **options)


def test_examples_that_do_not_fit_end_in_a_sentence():
    with pytest.raises(UserError, match="'shapes_multi_crop' takes square images"):
        shapes_of(named("shapes_multi_crop"), 20, 24, 3)
    with pytest.raises(UserError, match="'shapes_multi_crop' takes images with 3 channels"):
        shapes_of(named("shapes_multi_crop"), 20, 20, 1)
    for name in NAMES:
        with pytest.raises(UserError, match=f"'{name}' takes images"):
            named(name)(KEYS, {"features": jnp.zeros((BATCH, 9))})
