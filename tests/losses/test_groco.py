"""GroCo against the sorting network as it is written, with its whole permutation matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import groco
from jcl.losses.soft_sorting import chances_of_ranks
from tests.losses.exactness import Case, assert_exact, evaluate, every_layout, unit

BATCH, VIEWS, SMALL, DIMENSIONS, NEIGHBOURS = 24, 2, 2, 2, 3


def soft_permutation(x, steepness):
    """`X[..., r, c]`, the chance that element r ends at place c, for numbers `[..., n]`."""
    n, dtype = x.shape[-1], np.result_type(x, steepness)
    # The numbers are one more row of the matrix, because a layer mixes them alike.
    rows = np.broadcast_to(np.eye(n, dtype=dtype), (*x.shape, n))
    rows = np.concatenate([rows, x[..., None, :]], -2)
    for layer in range(n):
        for t in range(layer % 2, n - 1, 2):
            low, high = rows[..., t].copy(), rows[..., t + 1].copy()
            a = 0.5 + np.arctan(steepness * (high - low)[..., -1:]) / np.pi
            rows[..., t], rows[..., t + 1] = a * low + (1 - a) * high, (1 - a) * low + a * high
    return rows[..., :n, :]


def sorted_by_real_part(x):
    return np.take_along_axis(x, np.argsort(x.real, axis=-1), -1)


def anchor_losses(anchors, others, positives, steepness):
    """Of anchors `[B, d]`, with keys `[B, d]` and `[B, m, d]`, which get no gradient."""
    to_others = anchors @ others.real.T
    np.fill_diagonal(to_others, -2)
    nearest = sorted_by_real_part(to_others)[:, -NEIGHBOURS:]
    to_positives = sorted_by_real_part(np.einsum("id,imd->im", anchors, positives.real))
    x = np.concatenate([nearest, to_positives], 1)
    chance = soft_permutation(x, steepness)[..., :NEIGHBOURS].sum(-1)
    chance[:, NEIGHBOURS:] = 1 - chance[:, NEIGHBOURS:]
    return -np.log(chance).mean(1)


def formula(z, anchors, steepness):
    z, anchors = unit(z), unit(anchors)
    losses = [
        anchor_losses(z[:, v], z[:, v], np.delete(z, v, axis=1), steepness) for v in range(VIEWS)
    ]
    losses += [
        anchor_losses(anchors[:, w], anchors[:, w], z, steepness) for w in range(anchors.shape[1])
    ]
    return np.mean(losses)


def cases():
    random = np.random.default_rng(9)
    z = random.normal(size=(BATCH, VIEWS, DIMENSIONS))
    anchors = random.normal(size=(BATCH, SMALL, DIMENSIONS))
    z[4, 1] = anchors[6, 0] = 0
    z, anchors = (np.float64(np.float32(x)) for x in (z, anchors))
    return [Case((z, anchors, steepness), 1 / steepness) for steepness in (1.0, 20.0)]


CASES = cases()


@every_layout
def test_exact_and_linear_in_memory(layout):
    def loss(z, anchors, steepness, **options):
        return groco(z, neighbours=NEIGHBOURS, steepness=steepness, anchors=anchors, **options)

    # What the backward pass keeps of a block's network: fewer than the cosines of a device.
    largest = SMALL * (NEIGHBOURS + VIEWS) ** 2 * 2
    assert_exact(loss, formula, CASES, layout, block_size=1, largest=largest)


def test_one_positive_and_one_negative_by_hand():
    z = np.float32([[[1, 0], [0.6, 0.8]], [[0, 1], [1, 0]]])
    # Each anchor has the other example's same view for its negative.
    positive, negative = np.array([0.6, 0.6, 0, 0]), np.array([0, 0.6, 0, 0.6])
    expected = -np.log(0.5 + np.arctan(3 * (positive - negative)) / np.pi).mean()
    value, _ = evaluate(lambda z: groco(z, neighbours=1, steepness=3), z)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_chances_as_small_as_floats_are():
    # One of two is certain to rank low but for 1 / (pi 1e30).
    x = jnp.array([0.0, 1.0])
    low, high = jax.jit(lambda x: chances_of_ranks(x, jnp.float32(1e30), low=1))(x)
    np.testing.assert_allclose(low[1], 1 / (np.pi * 1e30), rtol=1e-6)
    np.testing.assert_allclose(high[0], 1 / (np.pi * 1e30), rtol=1e-6)
    np.testing.assert_array_equal(low + high, 1)
    # A chance below the least normal number costs 100 and has no gradient.
    z = np.float32([[[1, 0.1], [-1, 0]], [[1, 0], [-1, 0.1]]])
    value, gradient = evaluate(lambda z: groco(z, neighbours=1, steepness=1e38), z)
    assert value == 100
    assert not gradient.any()


def test_fewer_others_than_neighbours():
    z = jnp.ones((4, 2, 3))
    with pytest.raises(UserError, match=r"^groco needs at least 5 examples in a batch: "):
        groco(z, neighbours=4)
    with pytest.raises(
        UserError, match=r"^neighbours is 0, but must be a positive whole number\.$"
    ):
        groco(z, neighbours=0)
