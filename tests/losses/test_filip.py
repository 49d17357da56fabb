"""FILIP against the formula of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses import filip
from tests.losses.exactness import (
    Case,
    assert_exact,
    evaluate,
    every_layout,
    log_sum_exp,
    unit,
)

BATCH, DIMENSIONS = 16, 2


def mean_of_best(x, is_x, y, is_y):
    """Of every example of x `[B, n, d]`, similarities to all of y `[B, r, d]`."""
    # One more token of zeros, which is real where no other is.
    (x, is_x), (y, is_y) = (
        (
            np.pad(np.where(is_token[..., None], tokens, 0), ((0, 0), (0, 1), (0, 0))),
            np.concatenate([is_token, ~is_token.any(1, keepdims=True)], 1),
        )
        for tokens, is_token in ((x, is_x), (y, is_y))
    )
    cosines = np.einsum("ikd,jrd->ijkr", unit(x), unit(y))
    place = np.where(is_y[:, None], cosines.real, -np.inf).argmax(-1)
    best = np.take_along_axis(cosines, place[..., None], -1)[..., 0]
    return (is_x[:, None] * best).sum(-1) / is_x.sum(1)[:, None]


def formula(images, image_mask, texts, text_mask, temperature):
    of_images = mean_of_best(images, image_mask, texts, text_mask) / temperature
    of_texts = mean_of_best(texts, text_mask, images, image_mask) / temperature
    return np.mean([log_sum_exp(x) - np.diag(x) for x in (of_images, of_texts)])


def cases():
    random = np.random.default_rng(11)
    # Texts say what images show, more or less.
    images = random.normal(size=(BATCH, 4, DIMENSIONS))
    texts = images[:, :2] + 0.3 * random.normal(size=(BATCH, 2, DIMENSIONS))
    image_mask, text_mask = random.random((BATCH, 4)) < 0.6, random.random((BATCH, 2)) < 0.7
    image_mask[2] = text_mask[2] = text_mask[5] = False
    image_mask[7] = True
    images[7, 0] = 0
    images, texts = (np.float64(np.float32(x)) for x in (images, texts))
    images[~image_mask], texts[~text_mask] = np.nan, np.inf
    return [Case((images, image_mask, texts, text_mask, t), t) for t in (0.05, 1.0)]


CASES = cases()


def loss(images, image_mask, texts, text_mask, temperature, **options):
    return filip(images, image_mask, texts, text_mask, temperature=temperature, **options)


@every_layout
def test_exact_and_linear_in_memory(layout):
    # The tokens themselves: fewer than the similarities of all examples, or than the similarities
    # of the tokens of one of eight devices.
    largest = BATCH * 4 * DIMENSIONS
    assert_exact(loss, formula, CASES, layout, block_size=2, largest=largest)


def test_one_token_twice_is_clip():
    images, texts = np.random.default_rng(12).normal(size=(2, BATCH, 2, DIMENSIONS))
    images, texts = np.float32(images), np.float32(texts)
    images[:, 1], texts[:, 1] = images[:, 0], texts[:, 0]
    once, twice = np.array([[True, False]] * BATCH), np.ones((BATCH, 2), bool)
    logits = unit(np.float64(images[:, 0])) @ unit(np.float64(texts[:, 0])).T / 0.1
    over_both = log_sum_exp(logits) + log_sum_exp(logits.T)
    expected = (over_both / 2 - np.diag(logits)).mean()
    compiled = jax.jit(lambda *x: loss(*x, 0.1))
    for image_mask, text_mask in ((once, once), (once, twice), (twice, once)):
        value = compiled(images, image_mask, texts, text_mask)
        np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.slow
def test_one_example():
    images = CASES[0].arguments[0][7:8]
    mask = jnp.ones((1, 4), bool)
    value, gradient = evaluate(lambda x: filip(x, mask, -x, mask, temperature=0.005), images)
    assert value == 0
    assert not gradient.any()
