"""What holds for any embeddings, on embeddings that hypothesis picks to break it.

They are small whole numbers, so that equal, opposite and zero rows are common, and everything is
in float64, so that rounding hides nothing. Shapes are fixed: each loss is compiled once for each.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jcl.losses.engine.embeddings import interleave_views, unit_rows
from jcl.losses.engine.symmetric import log_sum_and_positive
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.test_two_view_losses import meshes, shard

BATCH, DIMENSIONS = 8, 3
LAYOUTS = {"one device": None, "eight devices": meshes()["interleaved"]}
# Small batches are quick in any code, and this code is compiled in half the time.
QUICKLY = {"xla_backend_optimization_level": 0}
every_name = pytest.mark.parametrize("name", ["nt_xent", "dcl", "info_nce", "supcon"])
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
# The same examples each time, so that what fails here fails everywhere. None is shrunk, which would
# take minutes: they are small already.
few = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate]
)

views = arrays(np.float64, (2, BATCH, DIMENSIONS), elements=st.integers(-3, 3).map(float))
labels = arrays(np.int32, BATCH, elements=st.integers(0, 3))
# Both sides of the temperature below which sums need a shift for each row.
temperatures = st.sampled_from([0.01, 0.029, 0.031, 0.1, 0.5, 2.0])


@pytest.fixture(scope="module", autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@cache
def value_and_gradient(name, layout):
    def loss(views, side, temperature):
        mesh = LAYOUTS[layout]
        return EVERY_LOSS[name](*views, side, temperature=temperature, mesh=mesh)

    return jax.jit(jax.value_and_grad(loss), compiler_options=QUICKLY)


def evaluate(name, views, labels, temperature, layout="one device"):
    """Value, and gradients `[2, B, d]` of the views, as if their rows had been of unit norm."""
    inputs = (tuple(views), labels)
    if LAYOUTS[layout] is not None:
        inputs = jax.tree.map(lambda x: shard(LAYOUTS[layout], x)[0], inputs)
    value, gradients = value_and_gradient(name, layout)(*inputs, temperature)
    return float(value), np.stack(gradients) * np.linalg.norm(views, axis=-1, keepdims=True)


def assert_same(result, expected, temperature):
    """Equal but for the order of sums, at logits of 1 / temperature."""
    for x, e in zip(result, expected, strict=True):
        np.testing.assert_allclose(x, e, rtol=1e-11, atol=1e-13 / temperature**2)


@every_layout
@every_name
@few
@given(views, labels, temperatures, st.permutations(range(BATCH)))
def test_the_gradient_follows_the_order_of_the_batch(name, layout, views, labels, temperature, to):
    value, gradients = evaluate(name, views, labels, temperature, layout)
    reordered = evaluate(name, views[:, to], labels[to], temperature, layout)
    assert_same(reordered, (value, gradients[:, to]), temperature)


@every_layout
@every_name
@few
@given(views, labels, temperatures)
def test_views_have_no_order(name, layout, views, labels, temperature):
    value, gradients = evaluate(name, views, labels, temperature, layout)
    swapped = evaluate(name, views[::-1], labels, temperature, layout)
    assert_same(swapped, (value, gradients[::-1]), temperature)


@every_name
@few
@given(views, labels, temperatures, st.data())
def test_only_directions_count(name, views, labels, temperature, data):
    # The gradient of a raw row falls as the row grows; `evaluate` has taken that out.
    scale = data.draw(arrays(np.float64, (2, BATCH, 1), elements=st.floats(1e-3, 1e3)))
    value, gradients = evaluate(name, views, labels, temperature)
    scaled = evaluate(name, scale * views, labels, temperature)
    assert_same(scaled, (value, gradients), temperature)
    radial = np.sum(gradients * views, axis=-1)
    np.testing.assert_allclose(radial, 0, atol=1e-13 / temperature**2)


@every_name
@few
@given(views, labels, temperatures, st.booleans())
def test_batches_cost_more_together_than_apart(name, views, labels, temperature, far_apart):
    # Every anchor keeps its terms and gains negatives. (For SupCon the halves share no label: an
    # example that becomes a positive may well lower a term.)
    half = BATCH // 2
    labels = labels + 4 * (np.arange(BATCH) >= half).astype(np.int32)
    if far_apart:  # at low temperatures they then cost no more than apart
        views = np.abs(views) * np.where(np.arange(BATCH) >= half, 1, -1)[:, None]
    together = evaluate(name, views, labels, temperature)[0]
    apart = [
        evaluate(name, views[:, rows], labels[rows], temperature)[0]
        for rows in (slice(None, half), slice(half, None))
    ]
    assert together >= np.mean(apart) - 1e-13 / temperature


@partial(jax.jit, compiler_options=QUICKLY)
def terms_of_nt_xent(views, temperature):
    """What NT-Xent is the mean of, an anchor at a time."""
    z = interleave_views(*(unit_rows(x) for x in views))
    log_negatives, positive = log_sum_and_positive(
        z, jnp.arange(len(z)) // 2, temperature, apart=True, exact=None, mesh=None, block_size=None
    )
    return jax.nn.softplus(log_negatives - positive)


@few
@given(views, temperatures)
def test_no_anchor_gains_from_a_new_example(views, temperature):
    before = terms_of_nt_xent(tuple(views[:, :-1]), temperature)
    after = terms_of_nt_xent(tuple(views), temperature)
    assert np.all(after[: len(before)] >= before - 1e-13 / temperature)
    value, _ = evaluate("nt_xent", views, np.zeros(BATCH, np.int32), temperature)
    np.testing.assert_allclose(np.mean(after), value, atol=1e-13 / temperature)
