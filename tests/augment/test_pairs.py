"""Views of pairs: a crop of the image, the text as it is."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.crop import random_box, random_resized_crop
from jcl.augment.pairs import image_and_text
from jcl.augment.tokens import text_of
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

KEYS = jax.random.split(jax.random.key(0), 3)
IMAGES = jax.random.uniform(jax.random.key(1), (3, 9, 8, 2))
IDS = np.arange(12).reshape(3, 4)
PAIRS = {"image": IMAGES, "text": jnp.asarray(IDS), "label": jnp.arange(3)}


def test_an_image_is_cropped_by_its_own_key_and_its_text_stays():
    mask = jnp.asarray(IDS % 4 < 3)
    options = {"area": (0.3, 1.0), "size": 6, "method": "cubic"}

    @quick_jit
    def views_and_crops(keys, examples):
        views = image_and_text(size=6, min_area=0.3)(keys, examples)
        crop = functools.partial(random_resized_crop, **options)
        return views, jax.vmap(crop)(keys, examples["image"])

    views, crops = views_and_crops(KEYS, {**PAIRS, "text_mask": mask})
    assert views["image"].shape == (3, 1, 6, 6, 2)
    np.testing.assert_allclose(views["image"][:, 0], crops, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(views["text"]["ids"], IDS[:, None])
    np.testing.assert_array_equal(views["text"]["mask"], mask[:, None])


def test_a_view_has_the_size_of_its_image_where_none_is_asked():
    views = jax.eval_shape(image_and_text(), KEYS, PAIRS)
    assert views["image"].shape == (3, 1, 9, 8, 2)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32])
def test_ids_and_masks_of_any_integers(dtype):
    mask = np.array([[1, 1, 0, 0]] * 3)
    text = text_of({"text": jnp.asarray(IDS, dtype), "text_mask": jnp.asarray(mask, dtype)})
    assert (text["ids"].dtype, text["mask"].dtype) == (jnp.int32, jnp.bool_)
    np.testing.assert_array_equal(text["ids"], IDS)
    np.testing.assert_array_equal(text["mask"], mask.astype(bool))


def test_without_a_mask_all_tokens_count():
    assert text_of({"text": jnp.asarray(IDS)})["mask"].all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": None}, "takes images [B, H, W, C], but these examples have text, label"),
        (
            {"image": jnp.ones((3, 5))},
            "takes images [B, H, W, C], but these examples are float32[3, 5]",
        ),
        (
            {"text": None},
            "a text is integer token ids [B, L], and these examples have image",
        ),
        ({"text": jnp.ones((3, 4))}, "these examples have float32[3, 4] as text"),
        ({"text": jnp.arange(3)}, "these examples have int32[3] as text"),
        ({"text_mask": jnp.ones((3, 5))}, "text_mask is [3, 5], but it must be [3, 4] like text"),
    ],
)
def test_examples_that_are_no_pairs_are_refused(changes, message):
    examples = {kind: x for kind, x in {**PAIRS, **changes}.items() if x is not None}
    with pytest.raises(UserError, match=re.escape(message)) as error:
        image_and_text()(KEYS, examples)
    assert "\n" not in str(error.value)


def test_impossible_options_are_named():
    with pytest.raises(UserError, match=r"views.min_area=0.0 is impossible"):
        image_and_text(min_area=0.0)


def test_one_of_several_images_and_texts_is_drawn_at_every_visit():
    there = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], bool)
    images = jnp.asarray(np.arange(8).reshape(2, 4, 1, 1, 1) / 8 * np.ones((6, 6, 1)))
    ids = np.arange(12).reshape(2, 3, 2)
    said = np.array([[1, 1, 0], [0, 1, 1]], bool)
    mask = jnp.asarray(said[..., None] & np.array([True, False]))
    examples = {"image": images, "image_mask": there, "text": jnp.asarray(ids), "text_mask": mask}
    make = quick_jit(jax.vmap(image_and_text(min_area=1.0), (0, None)))
    visits = 200
    views = make(jax.random.split(jax.random.key(3), (visits, 2)), examples)
    assert views["image"].shape == (visits, 2, 1, 6, 6, 1)
    drawn = np.rint(np.asarray(views["image"][:, :, 0, 0, 0, 0]) * 8).astype(int)
    text = np.asarray(views["text"]["ids"][:, :, 0, 0]) // 2
    np.testing.assert_array_equal(views["text"]["mask"], np.ones((visits, 2, 1, 2)) * [1, 0])
    for example in range(2):
        for found, allowed in ((drawn, there), (text, said)):
            place = found[:, example] - example * allowed.shape[1]
            counts = np.bincount(place, minlength=allowed.shape[1])
            expected = allowed[example] * visits / allowed[example].sum()
            # Five standard deviations of a share of half.
            assert (abs(counts - expected) <= 5 * np.sqrt(visits / 4) * (expected > 0)).all()
            assert ((counts > 0) == allowed[example]).all()
    # Which image is drawn says nothing of the text.
    first = drawn[:, 0] == 0
    assert 0.2 < np.mean(text[first, 0] == 0) < 0.8


def test_several_texts_are_no_text_of_a_network():
    with pytest.raises(UserError, match="these examples have 3 texts each"):
        text_of({"text": jnp.zeros((2, 3, 4), int)})


def test_tokens_of_the_text_go_at_the_rate_that_is_asked():
    """Also of a text drawn among several, and never the ends where these are kept."""
    ids = jnp.arange(1, 21).reshape(1, 2, 10)
    mask = jnp.ones((1, 2, 10), bool).at[:, 0].set(False)
    examples = {"image": IMAGES[:1], "text": ids, "text_mask": mask}
    keys = jax.random.split(jax.random.key(5), (300, 1))
    for keep_ends, rate in ((True, 0.4), (False, 0.4), (True, 0.0)):
        recipe = image_and_text(deletion=rate, keep_ends=keep_ends)
        text = quick_jit(jax.vmap(lambda k: recipe(k, examples)["text"]))(keys)  # noqa: B023
        kept = np.where(text["mask"], text["ids"], 0)[:, 0, 0]
        counts = np.bincount(kept[kept > 0], minlength=21)[11:]
        ends = counts[[0, -1]]
        expected = 300 * (1 - rate)
        within = 5 * np.sqrt(300 * rate * (1 - rate))
        assert (abs(counts[1:-1] - expected) <= within).all()
        assert (abs(ends - (300 if keep_ends else expected)) <= (0 if keep_ends else within)).all()


def test_which_image_is_drawn_says_nothing_of_the_crop():
    """Each has random numbers of its own, although all come from the key of the example."""
    images = jnp.asarray(np.arange(4).reshape(1, 4, 1, 1, 1) / 4 * np.ones((6, 6, 1)))
    there = jnp.ones((1, 4), bool)
    examples = {"image": images, "image_mask": there, "text": jnp.asarray(IDS[:1])}
    keys = jax.random.split(jax.random.key(7), 2000)

    @quick_jit
    def places_and_boxes(keys):
        recipe = image_and_text(min_area=0.3, size=1)
        views = jax.vmap(lambda key: recipe(key[None], examples))(keys)
        box = functools.partial(random_box, area=(0.3, 1.0), aspect=(3 / 4, 4 / 3))
        return views["image"][:, 0, 0, 0, 0, 0], jax.vmap(lambda key: box(key, 6, 6)[1])(keys)

    drawn, boxes = places_and_boxes(keys)
    areas = np.asarray(boxes).prod(-1) / 36
    first = np.asarray(drawn) < 0.1
    # Six standard deviations of the difference of 500 areas and 1,500; an area has one of 0.2.
    assert abs(areas[first].mean() - areas[~first].mean()) < 6 * 0.2 / np.sqrt(375)
