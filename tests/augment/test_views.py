"""Recipes that look at the whole batch, and recipes of any number of views."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment import VIEWS
from jcl.augment.make import make_views
from jcl.augment.views import InContext, two_views
from jcl.errors import UserError
from jcl.experiment import make_experiment, read_command_line
from jcl.mesh import make_mesh
from tests.augment.quick_jit import quick_jit
from tests.methods import contract
from tests.tiny import one_device


def styled():
    """Views take the mean colour of one random image of the batch."""

    def context(key, batch):
        chosen = jax.random.randint(key, (), 0, len(batch["image"]))
        return batch["image"][chosen].mean((0, 1))

    def make(keys, examples, context):
        views = contract.waved()(keys, examples)["image"]
        own = views.mean((2, 3), keepdims=True)
        return {
            "image": views - own + context,
            "side": {"style": jnp.tile(context, (len(keys), 1))},
        }

    return InContext(context, make)


def run(mesh, **more):
    overrides = {"precision": "float64", "views": {"name": f"{__name__}:styled"}, **more}
    made = contract.Run(contract.make_config("simclr", **overrides, **contract.DROPPING), mesh)
    return made, made.steps(made.start(), 0, 3)


def test_a_context_is_that_of_the_global_batch():
    with jax.enable_x64(True):
        made, (_, expected) = run(one_device())
        _, (_, found) = run(make_mesh(), microbatches=2)
        assert made.experiment.views_per_example == 2  # what a recipe knows besides is no view
        _, (_, plain) = run(one_device(), views={"name": "tests.methods.contract:waved"})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.abs(np.subtract(plain, expected)).max() > 1e-3


BATCH = 6
KEYS = jax.random.split(jax.random.key(0), BATCH)
# Those that need the text or the partner of an image draw one view of each; those of texts have
# tests of their own (test_texts.py); others know more of their views than pixels, draw these for
# the whole batch, or turn them one by one.
OF_THEIR_NUMBER = (
    *("image_and_text", "partners", "batch_styles", "byol_boxes", "shapes_boxes", "turned"),
    *("two_clips", "shapes_two_clips"),
    *("text_copies", "text_crop", "text_deletion", "text_repetition", "texts"),
)
OF_ANY_NUMBER = [name for name in VIEWS if name not in OF_THEIR_NUMBER]


def counted(name, count):
    return make_views({"name": name, "count": count})


@pytest.mark.parametrize("name", OF_ANY_NUMBER)
@pytest.mark.parametrize("count", [1, 5])
def test_a_recipe_makes_as_many_views_as_asked(name, count):
    kind, shape = ("features", (9,)) if name == "feature_noise" else ("image", (12, 12, 3))
    examples = {kind: jax.ShapeDtypeStruct((BATCH, *shape), jnp.float32)}
    views = jax.eval_shape(counted(name, count), KEYS, examples)
    assert views[kind].shape == (BATCH, count, *shape)
    own = jax.eval_shape(counted(name, None), KEYS, examples)
    assert own[kind].shape[1] == 2
    assert {**views, kind: 0} == {**own, kind: 0}  # small crops stay as they are


def numbered(key, x, number):
    return number * x + 0.01 * jax.random.uniform(key, x.shape)


def two_numbers(*, scale: float = 1.0):
    return two_views(numbered, (scale, 2 * scale), takes="features")


def test_every_view_has_a_key_of_its_own_and_a_number_in_turn():
    examples, name = {"features": jnp.ones((BATCH, 4))}, f"{__name__}:two_numbers"
    recipe = make_views({"name": name, "count": 5, "scale": 3.0})
    views = np.asarray(quick_jit(recipe)(KEYS, examples)["features"])
    noise = views - np.array([3, 6, 3, 6, 3])[:, None]
    assert -1e-6 < noise.min() < noise.max() < 0.0101
    assert len(np.unique(noise.round(7))) > 0.98 * noise.size
    again, unset = (make_views({"name": name, "count": count}) for count in (2, None))
    pair, usual = (quick_jit(recipe)(KEYS, examples) for recipe in (again, unset))
    np.testing.assert_array_equal(pair["features"], usual["features"])


@pytest.mark.parametrize("name", ["partners", "image_and_text", f"{__name__}:styled"])
def test_a_recipe_with_a_number_of_its_own_says_so(name):
    with pytest.raises(UserError, match=rf"^views.count=4 is set, but views.name='{name}' has"):
        counted(name, 4)
    counted(name, None)


def test_a_config_says_how_many_views():
    flags = "--config.views.count=3", "--config.views.name=crop_flip_light"
    config, _, lines = read_command_line(contract.make_config("simclr"), flags)
    experiment = make_experiment(config, contract.shape_of(contract.source()))
    assert (experiment.views_per_example, lines) == (3, [])
    with pytest.raises(UserError, match=r"^views.count=0 is impossible: it must"):
        read_command_line(contract.make_config("simclr"), ["--config.views.count=0"])
