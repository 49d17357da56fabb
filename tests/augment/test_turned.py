"""Views at four quarter turns: which are turned how far, and how strengths grow by stage."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS, simclr
from jcl.config.names import build
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

BATCH, SIDE = 6, 8
KEYS = jax.random.split(jax.random.key(0), BATCH)
STILL = {"min_area": 1.0, "strength": 0.0, "grayscale": 0.0}


def turned(**options):
    return build("views", {"name": "turned", **options}, VIEWS)


def test_views_are_mirrored_and_then_turned():
    images = np.random.default_rng(0).uniform(size=(BATCH, SIDE, SIDE, 3)).astype(np.float32)
    make = quick_jit(turned(stages=1, **STILL))
    views = np.asarray(make(KEYS, {"image": jnp.asarray(images)})["image"])
    assert views.shape == (BATCH, 8, SIDE, SIDE, 3)
    mirrored = 0
    for image, of_image in zip(images, views, strict=True):
        for view, found in enumerate(of_image):
            plain, other = (np.rot90(x, view // 2) for x in (image, image[:, ::-1]))
            errors = [np.abs(found - x).max() for x in (plain, other)]
            assert min(errors) < 1e-5
            mirrored += errors[1] < errors[0]
    assert 12 < mirrored < 36  # of 48
    order = np.random.default_rng(0).permutation(BATCH)
    again = make(KEYS[order], {"image": jnp.asarray(images[order])})["image"]
    np.testing.assert_array_equal(again, views[order])


def test_strengths_are_a_ramp(monkeypatch):
    seen = []

    def spied(name):
        real = getattr(simclr, name)

        def spy(key, image, **options):
            seen.append({name: options})
            return real(key, image, **options)

        monkeypatch.setattr(simclr, name, spy)

    for name in ("random_resized_crop", "random_color_jitter", "random_grayscale"):
        spied(name)
    recipe = turned(min_area=0.2, strength=0.4, grayscale=0.2, size=6)
    images = jax.ShapeDtypeStruct((BATCH, 6, 9, 1), jnp.float32)
    views = jax.eval_shape(recipe, KEYS, {"image": images})["image"]
    assert views.shape == (BATCH, 32, 6, 6, 1)
    options = {key: [of[key] for of in seen if key in of] for key in {k for x in seen for k in x}}
    areas = [x["area"][0] for x in options["random_resized_crop"]]
    np.testing.assert_allclose(areas, [0.8, 0.6, 0.4, 0.2])
    jitters = [x["brightness"] for x in options["random_color_jitter"]]
    np.testing.assert_allclose(jitters, [0.08, 0.16, 0.24, 0.32])
    grays = [x["probability"] for x in options["random_grayscale"]]
    np.testing.assert_allclose(grays, [0.05, 0.1, 0.15, 0.2])


def test_what_does_not_fit_ends_in_a_sentence():
    images = jax.ShapeDtypeStruct((BATCH, 6, 9, 3), jnp.float32)
    with pytest.raises(UserError, match=r"'turned' takes square images, but these are 6x9"):
        jax.eval_shape(turned(), KEYS, {"image": images})
    with pytest.raises(UserError, match="'turned' takes images"):
        turned()(KEYS, {"features": jnp.zeros((BATCH, 9))})
    for options, says in (
        ({"stages": 0}, "views.stages=0"),
        ({"min_area": 0.0}, "views.min_area=0.0"),
        ({"strength": 2.0}, "views.strength=2.0"),
    ):
        with pytest.raises(UserError, match=says):
            turned(**options)
