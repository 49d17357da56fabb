"""Recipes that look at the whole batch: the same views on any mesh and in any chunks."""

import jax
import jax.numpy as jnp
import numpy as np

from jcl.augment.views import InContext
from jcl.mesh import make_mesh
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
