"""Methods of many views, and SimCLR among hard negatives, against formulas in NumPy."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.cacr import CACR
from jcl.methods.groco import GroCo
from jcl.methods.hard_simclr import HardSimCLR
from jcl.methods.mv_dhel import MVDHEL
from jcl.methods.mv_info_nce import MVInfoNCE
from jcl.methods.parts.sizes import by_size
from tests.losses.test_groco import NEIGHBOURS
from tests.losses.test_groco import formula as groco_formula
from tests.methods.parts.test_momentum import Factor

TEMPERATURE, STEEPNESS, THRESHOLD = 0.3, 2.0, 0.05
METHODS = {
    "mv_info_nce": MVInfoNCE(nn.Dense(1), nn.Dense(1), temperature=TEMPERATURE),
    "mv_dhel": MVDHEL(nn.Dense(1), nn.Dense(1), temperature=TEMPERATURE),
    "cacr": CACR(nn.Dense(1), nn.Dense(1), t_positive=1.5, t_negative=0.9, alpha=0.7, beta=1.2),
    "hard_simclr": HardSimCLR(
        nn.Dense(1), nn.Dense(1), temperature=TEMPERATURE, threshold=THRESHOLD
    ),
    "groco": GroCo(nn.Dense(1), nn.Dense(1), neighbours=NEIGHBOURS, steepness=STEEPNESS),
}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def views(count=3, batch=6, seed=5):
    return np.random.default_rng(seed).normal(size=(batch, count, 5))


@functools.cache
def compiled(name):
    def loss(embeddings):
        outcome = METHODS[name].objective(Variables({}, {}), embeddings, {}, None, None, None)
        return outcome.loss, outcome.metrics

    return jax.jit(loss)


def objective(name, embeddings):
    with jax.enable_x64(True):
        loss, metrics = compiled(name)(embeddings)
        assert set(metrics) == {"positive_similarity", "negative_similarity", "embedding_spread"}
        return float(loss)


# The formulas, a term at a time.


def similarity(a, b):
    return math.exp(a @ b / TEMPERATURE)


def mv_info_nce(u):
    batch, count, _ = u.shape
    ordered, losses = list(itertools.permutations(range(count), 2)), []
    for i in range(batch):
        above = sum(similarity(u[i, a], u[i, b]) for a, b in ordered)
        below = sum(similarity(u[i, a], u[j, b]) for a, b in ordered for j in range(batch))
        losses.append(-math.log(above / below))
    return np.mean(losses)


def mv_dhel(u):
    batch, count, _ = u.shape
    losses = []
    for i in range(batch):
        pairs = itertools.combinations(range(count), 2)
        loss = -math.log(sum(similarity(u[i, a], u[i, b]) for a, b in pairs))
        for view in range(count):
            others = [similarity(u[i, view], u[j, view]) for j in range(batch) if j != i]
            loss += math.log(sum(others))
        losses.append(loss)
    return np.mean(losses)


def weighted(squared, t):
    weights = np.exp(t * squared)
    return (weights * squared).sum() / weights.sum()


def cacr(u):
    losses = []
    for i, view in np.ndindex(u.shape[:2]):
        squared = ((u - u[i, view]) ** 2).sum(-1)
        attraction = weighted(np.delete(squared[i], view), 1.5)
        repulsion = weighted(np.delete(squared, i, axis=0), -0.9)
        losses.append(0.7 * attraction - 1.2 * repulsion)
    return np.mean(losses)


def hard_simclr(u):
    losses = []
    for a, b in itertools.combinations(range(u.shape[1]), 2):
        for i, (mine, other) in itertools.product(range(len(u)), ((a, b), (b, a))):
            positive = similarity(u[i, mine], u[i, other])
            cosines = np.delete(u[:, [a, b]], i, axis=0) @ u[i, mine]
            hard = np.exp(cosines[cosines > THRESHOLD] / TEMPERATURE).sum()
            assert 0 < np.mean(cosines > THRESHOLD) < 1
            losses.append(-math.log(positive / (positive + hard)))
    return np.mean(losses)


FORMULAS = {f.__name__: f for f in (mv_info_nce, mv_dhel, cacr, hard_simclr)}


@pytest.mark.parametrize("name", FORMULAS)
def test_three_views_against_numpy_in_any_order(name):
    z = views()
    found = objective(name, z)
    np.testing.assert_allclose(found, FORMULAS[name](unit(z)), rtol=1e-12)
    np.testing.assert_allclose(objective(name, z[:, [2, 0, 1]]), found, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), list(itertools.product(FORMULAS, (2, 4))))
def test_other_numbers_of_views_against_numpy(name, count):
    z = views(count)
    np.testing.assert_allclose(objective(name, z), FORMULAS[name](unit(z)), rtol=1e-12)


def test_two_views_of_mv_dhel_are_dhel():
    """Alignment, and the log-sums of both views, each without the other's negatives."""
    z = views(2)
    u = unit(z)
    of_views = [u[:, view] @ u[:, view].T / TEMPERATURE for view in (0, 1)]
    log_sums = [np.log((np.exp(x) * (1 - np.eye(6))).sum(1)).mean() for x in of_views]
    expected = sum(log_sums) - (u[:, 0] * u[:, 1]).sum(1).mean() / TEMPERATURE
    np.testing.assert_allclose(objective("mv_dhel", z), expected, rtol=1e-12)


def test_groco_takes_small_views_as_anchors_alone():
    large, small = views(2), views(3, seed=6)
    found = objective("groco", {"large": large, "small": small})
    np.testing.assert_allclose(found, groco_formula(large, small, STEEPNESS), rtol=1e-9)
    turned = {"large": large[:, ::-1], "small": small[:, [1, 2, 0]]}
    np.testing.assert_allclose(objective("groco", turned), found, rtol=1e-12)


@pytest.mark.slow
def test_groco_of_large_views_alone():
    large = views(2)
    expected = groco_formula(large, large[:, :0], STEEPNESS)
    np.testing.assert_allclose(objective("groco", {"large": large}), expected, rtol=1e-9)


def test_one_neighbour_and_one_positive_are_an_arctangent():
    u = unit(views(2, batch=2))
    method = GroCo(nn.Dense(1), nn.Dense(1), neighbours=1, steepness=STEEPNESS)
    expected = []
    for i, view in np.ndindex(2, 2):
        above = u[i, view] @ u[i, 1 - view] - u[i, view] @ u[1 - i, view]
        expected.append(-math.log(0.5 + math.atan(STEEPNESS * above) / math.pi))
    z = {"large": jnp.asarray(u, jnp.float32)}
    found = jax.jit(lambda z: method.objective(Variables({}, {}), z, {}, None, None, None).loss)(z)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


def test_embeddings_go_by_the_size_of_their_views():
    method = GroCo(Factor(2.0), Factor(3.0))
    of_kinds = {
        "image": jnp.asarray(views(2)),
        "image_small": jnp.asarray(views(3)),
        "image_tiny": jnp.asarray(views(1)),
        "side": jnp.zeros((6, 2)),
    }
    made = method.init(jax.random.key(0), of_kinds, None)
    found = method.embed(made, of_kinds, None).embeddings
    np.testing.assert_allclose(found["large"], 6 * of_kinds["image"])
    small = jnp.concatenate([of_kinds["image_small"], of_kinds["image_tiny"]], axis=1)
    np.testing.assert_allclose(found["small"], 6 * small)
    # Whatever the order of kinds.
    turned = by_size(
        jnp.arange(12.0).reshape(2, 3, 2),
        {"image_small": jnp.zeros((2, 1)), "image": jnp.zeros((2, 2))},
    )
    np.testing.assert_array_equal(turned["small"][0], [[0, 1]])
    np.testing.assert_array_equal(turned["large"][0], [[2, 3], [4, 5]])
    alone = by_size(jnp.zeros((2, 3, 2)), {"image": jnp.zeros((2, 3))})
    assert {size: x.shape for size, x in alone.items()} == {"large": (2, 3, 2)}


@pytest.mark.parametrize("name", METHODS)
def test_one_view_ends_in_a_sentence(name):
    z = jnp.zeros((6, 1, 4))
    z = {"large": z, "small": z} if name == "groco" else z
    with pytest.raises(UserError, match=r"takes two views of an example or more, .* makes 1$"):
        METHODS[name].objective(Variables({}, {}), z, {}, None, None, None)


def test_too_few_examples_end_in_a_sentence():
    few = jnp.zeros((3, 2, 4))
    with pytest.raises(UserError, match=r"^method.neighbours=3 is impossible with batch_size=3: "):
        METHODS["groco"].objective(Variables({}, {}), {"large": few}, {}, None, None, None)
    for name in ("mv_dhel", "cacr"):
        with pytest.raises(UserError, match=rf"^{name} needs at least 2 examples in a batch"):
            METHODS[name].objective(Variables({}, {}), few[:1], {}, None, None, None)


@pytest.mark.parametrize(
    ("made", "option", "value"),
    [
        (MVInfoNCE, "temperature", 0.0),
        (MVDHEL, "temperature", -1.0),
        (CACR, "t_positive", -1.0),
        (CACR, "t_negative", float("inf")),
        (CACR, "alpha", -0.1),
        (CACR, "beta", float("nan")),
        (GroCo, "neighbours", 0),
        (GroCo, "steepness", 0.0),
        (HardSimCLR, "temperature", 0.0),
        (HardSimCLR, "threshold", 1.01),
        (HardSimCLR, "threshold", -1.5),
        (HardSimCLR, "threshold", float("nan")),
    ],
)
def test_impossible_options_end_in_a_sentence(made, option, value):
    with pytest.raises(UserError, match=rf"^method\.{option}={value} is impossible") as error:
        made(nn.Dense(1), nn.Dense(1), **{option: value})
    assert "\n" not in str(error.value)
