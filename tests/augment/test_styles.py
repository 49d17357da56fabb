"""One style a view: against NumPy's Fourier transform, and the same on any mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS
from jcl.augment import styles as styles_lib
from jcl.augment.styles import Style, spectrum, styled
from jcl.augment.views import in_context
from jcl.config import base
from jcl.config.names import build
from jcl.errors import UserError
from jcl.mesh import make_mesh
from tests.methods import contract
from tests.tiny import one_device

SIZES = [(8, 8), (9, 6), (7, 7)]


def images_of(height, width, count=4):
    # Not too far from the middle, so that little is clipped.
    return 0.4 + 0.2 * np.random.RandomState(0).uniform(size=(count, height, width, 3))


def by_numpy(image, reference, ratio):
    """The whole spectrum, zero in the middle, and the box cut out of it by its corners."""
    own, other = (
        np.fft.fftshift(np.fft.fft2(np.asarray(x, np.float64), axes=(0, 1)), axes=(0, 1))
        for x in (image, reference)
    )
    amplitude, phase = np.abs(own), np.angle(own)
    height, width = image.shape[:2]
    if ratio > 0:
        box = []
        for side in (height, width):
            middle, half = side // 2, int(np.floor(np.sqrt(ratio) * side / 2 + 1e-9))
            box.append(slice(max(middle - half, 0), middle + half + 1))
        amplitude[tuple(box)] = np.abs(other)[tuple(box)]
    mixed = np.fft.ifftshift(amplitude * np.exp(1j * phase), axes=(0, 1))
    back = np.fft.ifft2(mixed, axes=(0, 1))
    assert np.abs(back.imag).max() < 1e-12  # the box is symmetric
    return np.clip(back.real, 0, 1)


@pytest.fixture(scope="module")
def changed():
    """The change, compiled once a size, in float64."""

    def change(image, reference, ratio):
        with jax.enable_x64(True):
            style = Style(jnp.abs(spectrum(jnp.asarray(reference))), jnp.asarray(ratio))
            return np.asarray(run(jnp.asarray(image), style))

    run = jax.jit(styled)
    return change


@pytest.mark.parametrize("size", SIZES)
def test_the_change_is_the_formula(size, changed):
    image, reference, *_ = images_of(*size)
    for ratio in (0.0, 0.01, 0.1, 0.3, 0.6, 1.0):
        expected = by_numpy(image, reference, ratio)
        np.testing.assert_allclose(changed(image, reference, ratio), expected, atol=1e-12)
    # A ratio of 0 changes nothing; and an image in its own style stays.
    np.testing.assert_allclose(changed(image, reference, 0.0), image, atol=1e-12)
    for ratio in (0.1, 1.0):
        np.testing.assert_allclose(changed(image, image, ratio), image, atol=1e-12)
        assert np.abs(changed(image, reference, ratio) - image).max() > 1e-3


@pytest.mark.parametrize("size", SIZES)
def test_a_ratio_of_one_leaves_no_amplitude(size, changed, monkeypatch):
    monkeypatch.setattr(styles_lib.jnp, "clip", lambda x, *ends: x)
    image, reference, *_ = images_of(*size)
    with jax.enable_x64(True):
        style = Style(jnp.abs(spectrum(jnp.asarray(reference))), jnp.asarray(1.0))
        found = np.abs(np.fft.fft2(styled(jnp.asarray(image), style), axes=(0, 1)))
    np.testing.assert_allclose(found, np.abs(np.fft.fft2(reference, axes=(0, 1))), atol=1e-12)


def named(**options):
    config = base()
    config.views.update({"name": "batch_styles", **options})
    return build("views", config.views, VIEWS)


@pytest.fixture
def plain(monkeypatch):
    """The recipe without what comes after the styles."""
    monkeypatch.setattr(styles_lib, "simclr_view", lambda key, image, **options: image)
    return named(min_ratio=0.2, max_ratio=0.6)


def test_each_view_has_one_image_of_the_batch_and_one_ratio(plain):
    images = jnp.asarray(images_of(8, 8, count=6), jnp.float32)
    batch, keys = {"image": images}, jax.random.split(jax.random.key(0), 6)
    seen = set()
    for step in range(4):
        key = jax.random.key(step)
        style = plain.context(key, batch)
        assert ((style.ratio >= 0.2) & (style.ratio <= 0.6)).all()
        assert style.ratio[0] != style.ratio[1]
        views = in_context(plain, key, batch)(keys, batch)["image"]
        amplitudes = np.abs(np.fft.rfft2(images, axes=(1, 2)))
        for view in range(2):
            errors = np.abs(amplitudes - style.amplitude[view]).max((1, 2, 3))
            chosen = int(np.argmin(errors))
            assert errors[chosen] < 1e-5
            seen.add(chosen)
            for i in range(6):
                expected = by_numpy(images[i], images[chosen], float(style.ratio[view]))
                np.testing.assert_allclose(views[i, view], expected, atol=2e-6)
            np.testing.assert_allclose(views[chosen, view], images[chosen], atol=2e-6)
        # A chunk of the batch has the whole batch's styles.
        chunk = in_context(plain, key, batch)(keys[2:4], {"image": images[2:4]})["image"]
        np.testing.assert_allclose(chunk, views[2:4], atol=1e-6)
    assert len(seen) > 1


def test_identical_images_stay(plain):
    images = jnp.asarray(images_of(8, 8, count=1).repeat(5, 0), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 5)
    views = in_context(plain, keys[0], {"image": images})(keys, {"image": images})["image"]
    np.testing.assert_allclose(views, jnp.stack([images, images], 1), atol=2e-6)


@pytest.mark.slow
def test_without_ratio_it_is_the_usual_recipe():
    images = jnp.asarray(images_of(16, 16, count=4), jnp.float32)
    keys = jax.random.split(jax.random.key(0), 4)
    config = base()
    config.views.update({"name": "simclr_imagenet"})
    usual = jax.jit(build("views", config.views, VIEWS))
    recipe = named(min_ratio=0.0, max_ratio=0.0)
    found = jax.jit(lambda keys, x: in_context(recipe, keys[0], x)(keys, x))(
        keys, {"image": images}
    )
    expected = usual(keys, {"image": images})
    np.testing.assert_allclose(found["image"], expected["image"], atol=1e-4)


@pytest.mark.slow
def test_any_mesh_and_microbatches_see_the_same_styles():
    def losses(mesh, **more):
        views = {"name": "batch_styles", "min_ratio": 0.1, "max_ratio": 0.5, "blur": 0.0}
        overrides = {"precision": "float64", "views": views, **contract.DROPPING, **more}
        run = contract.Run(contract.make_config("simclr", **overrides), mesh)
        return run.steps(run.start(), 0, 3)[1]

    with jax.enable_x64(True):
        expected = losses(one_device())
        found = losses(make_mesh(), microbatches=2)
        usual = losses(one_device(), views={"name": "simclr_imagenet", "blur": 0.0})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert np.abs(np.subtract(usual, expected)).max() > 1e-4


def test_wrong_options_and_examples_end_in_a_sentence():
    for options, message in (
        ({"min_ratio": 0.2}, r"views\.min_ratio=0\.2 .* at most views\.max_ratio=0\.1"),
        ({"max_ratio": 1.5}, r"views\.max_ratio=1\.5"),
        ({"min_area": 0.0}, r"views\.min_area=0\.0"),
    ):
        with pytest.raises(UserError, match=message):
            named(**options)
    with pytest.raises(UserError, match="'batch_styles' takes images"):
        named().context(jax.random.key(0), {"features": jnp.zeros((4, 9))})
