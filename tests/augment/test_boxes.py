"""Views that say where they lie: the same views as without, and places that are true."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS
from jcl.augment.boxes import cell_places
from jcl.config import base
from jcl.config.names import build
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

BATCH, SIDE = 24, 24
KEYS = jax.random.split(jax.random.key(0), BATCH)


def named(name, **options):
    config = base()
    config.views.update({"name": name, **options})
    return build("views", config.views, VIEWS)


def gradient():
    """Red is x and green is y, of an image that fills the unit square."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    image = np.stack([x, y, np.full_like(x, 0.5)], -1).astype(np.float32)
    return {"image": jnp.stack([jnp.asarray(image)] * BATCH)}


def test_shapes_boxes_says_where_its_views_lie():
    views = quick_jit(named("shapes_boxes", channel_mix=0.0, grayscale=0.0))(KEYS, gradient())
    side = views["side"]
    assert {name: x.shape for name, x in side.items()} == {
        "box": (BATCH, 2, 4),
        "flip": (BATCH, 2),
        "turns": (BATCH, 2),
    }
    assert {*np.unique(side["turns"])} == {0, 1, 2, 3}
    centres, diagonal = cell_places(*side.values(), SIDE, SIDE)
    found = np.asarray(views["image"][..., 1::-1]).reshape(BATCH, 2, SIDE, SIDE, 2)
    centres = np.asarray(centres).reshape(found.shape)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))  # no edges of the image
    np.testing.assert_allclose(found[inner], centres[inner], atol=2e-3)
    np.testing.assert_allclose(
        diagonal, np.hypot(*np.moveaxis(np.asarray(side["box"])[..., 2:], -1, 0)) / SIDE, rtol=1e-5
    )


@pytest.mark.slow  # jitter and blur take long to compile
@pytest.mark.parametrize("name", ["byol", "shapes"])
def test_the_views_are_those_of_the_recipe_without_boxes(name, picture):
    examples = {"image": jnp.stack([picture] * BATCH)}
    plain, placed = (quick_jit(named(n))(KEYS, examples) for n in (name, f"{name}_boxes"))
    np.testing.assert_allclose(placed["image"], plain["image"], atol=1e-6)
    box, flip, turns = placed["side"].values()
    assert (box[..., :2] >= 0).all()
    assert (box[..., :2] + box[..., 2:] <= 1 + 1e-6).all()
    assert len(np.unique(box, axis=0)) == BATCH
    assert 0.2 < flip.mean() < 0.8 if name == "byol" else not flip.any()
    assert not turns.any() if name == "byol" else turns.any()


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_places_against_numpys_own_mirrors_and_turns(flip, turns):
    """An array of places is cropped, mirrored and turned by NumPy."""
    height, width = (6, 4) if turns % 2 else (4, 6)  # of the crop in cells; the map is 4 x 6
    box = np.array([0.1, 0.3, 0.6, 0.5])
    y = box[0] + box[2] * (np.arange(height) + 0.5) / height
    x = box[1] + box[3] * (np.arange(width) + 0.5) / width
    places = np.stack(np.meshgrid(y, x, indexing="ij"), -1)
    places = np.rot90(places[:, ::-1] if flip else places, turns)
    assert places.shape == (4, 6, 2)
    given = jnp.asarray(box, jnp.float32), jnp.bool_(flip), jnp.int32(turns)
    centres, diagonal = cell_places(*given, 4, 6)
    np.testing.assert_allclose(centres, places.reshape(-1, 2), atol=1e-6)
    np.testing.assert_allclose(diagonal, np.hypot(0.6 / height, 0.5 / width), rtol=1e-6)


@pytest.mark.parametrize("name", ["byol_boxes", "shapes_boxes"])
def test_wrong_options_and_examples_end_in_a_sentence(name):
    for options, message in (({"size": 0}, "views.size=0"), ({"min_area": 1.5}, "min_area=1.5")):
        with pytest.raises(UserError, match=message):
            named(name, **options)
    with pytest.raises(UserError, match=f"'{name}' takes images"):
        named(name)(KEYS, {"features": jnp.zeros((BATCH, 9))})
    if name == "shapes_boxes":
        for shape, message in (((20, 24, 3), "square images"), ((20, 20, 1), "3 channels")):
            with pytest.raises(UserError, match=f"'{name}' takes {message}|with {message}"):
                jax.eval_shape(named(name), KEYS, {"image": jnp.zeros((BATCH, *shape))})
