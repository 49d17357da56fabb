"""One view of each of a pair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.partners import partners
from jcl.augment.recipes import crop_flip_light
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 4)
IMAGES = jnp.array(np.random.default_rng(0).uniform(size=(4, 6, 6, 1)), jnp.float32)


@quick_jit
def views_of(keys, images, others):
    light = crop_flip_light()
    return (
        partners()(keys, {"image": images, "partner": others})["image"],
        light(keys, {"image": images})["image"],
        light(keys, {"image": others})["image"],
    )


def test_views_are_those_of_crop_flip_light_of_each_of_the_two():
    made, own, others = map(np.asarray, views_of(KEYS, IMAGES, 1 - IMAGES))
    np.testing.assert_allclose(made[:, 0], own[:, 0], atol=1e-5)
    np.testing.assert_allclose(made[:, 1], others[:, 1], atol=1e-5)
    assert np.abs(own[:, 1] - others[:, 1]).max() > 0.1


def test_refuses_examples_without_partners_in_one_sentence():
    for examples, found in [
        ({"image": IMAGES}, "have none"),
        ({"image": IMAGES, "partner": IMAGES[:, :3]}, r"have float32\[4, 3, 6, 1\]"),
        # A partner of 16 bits: `data.image_range` scales images alone.
        ({"image": IMAGES, "partner": jnp.ones((4, 6, 6, 1), int)}, r"have int32\[4, 6, 6, 1"),
    ]:
        with pytest.raises(UserError, match=found):
            partners()(KEYS, examples)
