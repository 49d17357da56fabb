"""Losses of two views over more of them: means over pairs, against formulas in NumPy."""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.cost.flops import count_flops
from jcl.errors import UserError
from jcl.losses import dcl, nt_xent
from jcl.mesh import make_mesh
from jcl.methods.base import Variables
from jcl.methods.dcl import DCL
from jcl.methods.parts.equal_views import mean_over_pairs
from jcl.methods.simclr import SimCLR
from tests.losses.contrastive_formulas import two_view_loss
from tests.methods import contract
from tests.tiny import largest_difference, one_device

TEMPERATURE, SIGMA = 0.3, 0.5
METHODS = {
    "simclr": (SimCLR, {}, {"decoupled": False}),
    "dcl": (DCL, {}, {"decoupled": True}),
    "dclw": (DCL, {"weight_sigma": SIGMA}, {"decoupled": True, "weight_sigma": SIGMA}),
}


def four_views():
    return np.random.default_rng(3).normal(size=(6, 4, 5))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@functools.cache
def evaluation(name):
    """Embeddings -> (loss, metrics), and the gradient of the loss."""
    made, options, _ = METHODS[name]
    method = made(nn.Dense(1), nn.Dense(1), temperature=TEMPERATURE, **options)

    def loss(embeddings):
        outcome = method.objective(Variables({}, {}), embeddings, {}, None, None, None)
        return outcome.loss, outcome.metrics

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def evaluate(name, z):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, evaluation(name)(z))


@pytest.mark.parametrize("name", ["simclr", "dcl", pytest.param("dclw", marks=pytest.mark.slow)])
def test_four_views_are_the_mean_of_six_pairs(name):
    z, gradient = four_views(), np.zeros((6, 4, 5))
    (loss, _), of_z = evaluate(name, z)
    values, pairs = [], list(itertools.combinations(range(4), 2))
    for a, b in pairs:
        value, (of_a, of_b, _) = two_view_loss(z[:, a], z[:, b], TEMPERATURE, **METHODS[name][2])
        values.append(value)
        gradient[:, a] += of_a / len(pairs)
        gradient[:, b] += of_b / len(pairs)
    np.testing.assert_allclose(loss, np.mean(values), rtol=1e-12)
    np.testing.assert_allclose(of_z, gradient, rtol=0, atol=1e-12)
    (again, _), _ = evaluate(name, z[:, [2, 0, 3, 1]])
    np.testing.assert_allclose(again, loss, rtol=1e-13)


def test_metrics_are_those_of_all_pairs():
    z = four_views()
    (_, found), _ = evaluate("simclr", z)
    rows, example = unit(z).reshape(-1, 5), np.repeat(np.arange(6), 4)
    cosines, same = rows @ rows.T, example[:, None] == example
    np.testing.assert_allclose(
        found["positive_similarity"], cosines[same & ~np.eye(24, dtype=bool)].mean()
    )
    np.testing.assert_allclose(found["negative_similarity"], cosines[~same].mean())
    np.testing.assert_allclose(found["embedding_spread"], rows.std(0).mean() * 5**0.5)


def test_two_views_are_given_to_the_loss_as_they_are():
    z = jnp.asarray(np.float32(four_views()[:, :2]))
    for made, loss in ((SimCLR, nt_xent), (DCL, dcl)):
        method = made(nn.Dense(1), nn.Dense(1), temperature=TEMPERATURE)
        found = jax.make_jaxpr(lambda z, method=method: pairs_of(method, z))(z)
        asked = jax.make_jaxpr(
            lambda z, loss=loss: loss(z[:, 0], z[:, 1], temperature=TEMPERATURE)
        )(z)
        assert str(found) == str(asked)


def pairs_of(method, z):
    return mean_over_pairs(lambda z0, z1: method.loss(z0, z1, None), z)


def test_the_mean_costs_as_much_as_its_pairs():
    z = jax.ShapeDtypeStruct((8, 4, 5), jnp.float32)
    method = SimCLR(nn.Dense(1), nn.Dense(1))
    loss = jax.value_and_grad(functools.partial(pairs_of, method))
    two, four = count_flops(lambda z: loss(z[:, :2]), z), count_flops(loss, z)
    assert four == 6 * two > 0


@pytest.mark.parametrize(("views", "expected"), [(2, 21), (3, (21 + 31 + 32) / 3)])
def test_the_first_view_of_a_pair_is_the_first_that_the_loss_gets(views, expected):
    z = 1 + jnp.arange(views, dtype=jnp.float32)[None, :, None]
    found = mean_over_pairs(lambda z0, z1: z0.sum() + 10 * z1.sum(), z)
    assert float(found) == pytest.approx(expected)


def test_other_views_end_in_a_sentence():
    method = SimCLR(nn.Dense(1), nn.Dense(1))
    with pytest.raises(UserError, match=r"two views of an example or more, .* makes 1$"):
        method.objective(Variables({}, {}), jnp.zeros((4, 1, 2)), {}, None, None, None)
    views = {"image": 1, "image_small": 2, "side": 3}
    with pytest.raises(UserError, match=r"views of one size, .* makes image and image_small;"):
        method.embed(Variables({}, {}), views, None)


@pytest.mark.slow
def test_four_views_compute_the_same_on_a_mesh_and_in_chunks():
    def run(mesh, **more):
        views = {"name": f"{contract.HERE}:four"}
        config = contract.make_config(
            "simclr", precision="float64", views=views, **contract.DROPPING, **more
        )
        made = contract.Run(config, mesh)
        return made.steps(made.start(), 0, 3)

    with jax.enable_x64(True):
        alone, expected = run(one_device())
        together, found = run(make_mesh(), microbatches=2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    assert largest_difference(together.params, alone.params) < 1e-9
