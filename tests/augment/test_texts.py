"""Views of texts: what stays, in which order and how often, by drawing many."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.make import make_views
from jcl.augment.texts import crop, delete, repeat, text_copies, text_crop, text_repetition, texts
from jcl.augment.views import with_count
from jcl.errors import UserError
from tests.augment.quick_jit import quick_jit

L, N = 12, 400
KEYS = jax.random.split(jax.random.key(0), N)


def text(count):
    """Tokens 1..count, then padding of 77."""
    place = np.arange(L)
    ids = np.where(place < count, place + 1, 77).astype(np.int32)
    return {"ids": jnp.asarray(ids), "mask": jnp.asarray(place < count)}


@functools.cache
def changing(change, *options):
    return quick_jit(lambda keys, x: jax.vmap(lambda key: change(key, x, *options))(keys))


def drawn(change, count, *options):
    """The tokens of many views of a text of that many tokens, as lists."""
    views = changing(change, *options)(KEYS, text(count))
    masks = np.asarray(views["mask"])
    assert views["ids"].shape == masks.shape == (N, L)
    assert (np.sort(masks, 1)[:, ::-1] == masks).all()  # all padding stands at the end
    return [row[mask].tolist() for row, mask in zip(np.asarray(views["ids"]), masks, strict=True)]


def test_a_crop_is_a_span_between_the_ends():
    found = drawn(crop, 10, 0.5, True)
    insides = [tokens[1:-1] for tokens in found]
    assert all(tokens[0] == 1 and tokens[-1] == 10 for tokens in found)
    assert all(inside == list(range(inside[0], inside[-1] + 1)) for inside in insides)
    assert {len(inside) for inside in insides} == {4, 5, 6, 7, 8}  # half of eight and more
    starts = {inside[0] for inside in insides if len(inside) == 4}
    assert starts == {2, 3, 4, 5, 6}
    assert {tuple(tokens) for tokens in drawn(crop, 10, 1.0, False)} == {tuple(range(1, 11))}


def test_deleted_tokens_go_each_on_its_own():
    found = drawn(delete, 10, 0.3, True)
    assert all(tokens == sorted(tokens) and tokens[0] == 1 and tokens[-1] == 10 for tokens in found)
    kept = np.array([[token in tokens for token in range(2, 10)] for tokens in found])
    # Four standard deviations of a share of 400 draws: 0.092.
    np.testing.assert_allclose(kept.mean(0), 0.7, atol=0.092)
    correlation = np.corrcoef(kept.T)[~np.eye(8, dtype=bool)]
    assert np.abs(correlation).max() < 0.25
    # One is left, where nearly all go.
    assert {len(tokens) for tokens in drawn(delete, 4, 0.99, False)} <= {1, 2, 3}
    assert {len(tokens) for tokens in drawn(delete, 4, 0.99, True)} <= {3, 4}


def test_repeated_tokens_stand_side_by_side():
    found = drawn(repeat, 7, 0.6, True)
    extra = []
    for tokens in found:
        assert tokens == sorted(tokens)
        assert sorted(set(tokens)) == list(range(1, 8))
        assert tokens.count(1) == tokens.count(7) == 1
        assert max(map(tokens.count, tokens)) <= 2
        extra.append(len(tokens) - 7)
    assert set(extra) == {0, 1, 2, 3}  # up to 0.6 of five
    np.testing.assert_allclose(np.bincount(extra) / N, 0.25, atol=0.09)
    repeated = np.array([[tokens.count(token) > 1 for token in range(2, 7)] for tokens in found])
    np.testing.assert_allclose(repeated.mean(0), 1.5 / 5, atol=0.1)


def test_what_has_no_room_is_not_repeated():
    assert max(map(len, drawn(repeat, 11, 1.0, True))) == L
    assert {tuple(tokens) for tokens in drawn(repeat, 12, 1.0, True)} == {tuple(range(1, 13))}


@pytest.mark.parametrize(("change", "share"), [(crop, 0.5), (delete, 0.5), (repeat, 1.0)])
def test_short_texts_stay_texts(change, share):
    for count in (0, 1, 2):
        assert all(
            tokens == list(range(1, count + 1)) for tokens in drawn(change, count, share, True)
        )
    assert min(map(len, drawn(change, 1, share, False))) >= 1


def batch(count=3):
    one = text(10)
    return {
        "text": jnp.tile(one["ids"], (count, 1)),
        "text_mask": jnp.tile(one["mask"], (count, 1)),
    }


def test_recipes_draw_each_view_anew_and_any_number():
    keys = KEYS[:3]
    views = text_copies()(keys, batch())["text"]
    assert views["ids"].shape == views["mask"].shape == (3, 2, L)
    np.testing.assert_array_equal(views["ids"], np.tile(batch()["text"][:, None], (1, 2, 1)))
    five = with_count(text_crop(min_share=0.2), "text_crop", 5)
    views = quick_jit(lambda keys, examples: five(keys, examples)["text"])(keys, batch())
    assert views["ids"].shape == (3, 5, L)
    assert len({tuple(row) for row in views["mask"].sum(-1).tolist()}) > 1
    views = quick_jit(lambda keys, x: text_repetition(most=1.0)(keys, x)["text"])(
        KEYS[:9], batch(9)
    )
    counts = np.asarray(views["mask"].sum(-1))
    assert (counts[:, 0] == 10).all()
    assert (counts[:, 1] > 10).any()


def test_an_examples_own_texts_are_its_views():
    examples = {"text": jnp.ones((2, 3, 4), jnp.int16), "text_mask": jnp.ones((2, 3, 4), jnp.int32)}
    views = texts()(KEYS[:2], examples)["text"]
    assert {k: (v.shape, v.dtype.name) for k, v in views.items()} == {
        "ids": ((2, 3, 4), "int32"),
        "mask": ((2, 3, 4), "bool"),
    }
    with pytest.raises(UserError, match=r"'texts' takes several texts per example, this has int32"):
        texts()(KEYS[:3], batch())


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "text_crop", "min_share": 0.0}, r"views\.min_share=0\.0 is impossible"),
        ({"name": "text_deletion", "rate": 1.0}, r"views\.rate=1\.0 is impossible"),
        ({"name": "text_repetition", "most": 1.5}, r"views\.most=1\.5 is impossible"),
        ({"name": "texts", "count": 4}, "has a fixed number of views"),
    ],
)
def test_impossible_options(section, message):
    with pytest.raises(UserError, match=message):
        make_views(section)
