"""SigLIP and SogCLR of two towers: losses by hand, what they learn besides, what they keep."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.bimodal_sogclr import BimodalSogCLR
from jcl.methods.siglip import SigLIP
from jcl.models.projector import MLP
from jcl.models.text.bag import TokenBag

IMAGE, TEXT = np.random.RandomState(0).randn(2, 6, 3)
VIEWS = {
    "image": jnp.zeros((1, 1, 2, 2, 1)),
    "text": {"ids": jnp.zeros((1, 1, 4), jnp.int32), "mask": jnp.ones((1, 1, 4), bool)},
}
DATA = DatasetShape({}, 9, None)


def shapes(found):
    return jax.eval_shape(lambda key: found.init(key, VIEWS, DATA), jax.random.key(0))


class Flat(nn.Module):
    @nn.compact
    def __call__(self, images, *, train):
        return nn.Dense(3)(images.reshape(len(images), -1))


def method(kind, **options):
    head = MLP(layers=1, output_dim=3)
    return kind(Flat(), head, TokenBag(vocabulary=5, width=3), head, **options)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_second_view_is_refused_and_not_left_out(kind):
    views = VIEWS | {kind: jax.tree.map(lambda x: jnp.repeat(x, 2, axis=1), VIEWS[kind])}
    with pytest.raises(UserError, match=f"one view .* makes 2 of '{kind}'"):
        method(SigLIP).init(jax.random.key(0), views, DATA)


def embeddings():
    return {"image": jnp.asarray(IMAGE), "text": jnp.asarray(TEXT)}


def cosines():
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (IMAGE, TEXT))
    return x @ y.T


def siglip_loss(log_scale, bias):
    logits = np.exp(log_scale) * cosines() + bias
    signs = 2 * np.eye(6) - 1
    return np.log1p(np.exp(-signs * logits)).sum() / 6


def test_siglip_learns_temperature_and_bias_from_where_the_paper_starts():
    start = method(SigLIP)
    assert {"log_scale", "logit_bias"} < shapes(start).params.keys()
    assert (1 / start.temperature, start.bias) == (10, -10)
    with jax.enable_x64(True):

        def loss(params):
            given = Variables(params, {})
            outcome = method(SigLIP).objective(given, embeddings(), {}, None, None, None)
            return outcome.loss, outcome.metrics

        params = {"log_scale": jnp.asarray(0.7), "logit_bias": jnp.asarray(-1.5)}
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(params)
    assert float(value) == pytest.approx(siglip_loss(0.7, -1.5), abs=1e-12)
    assert float(metrics["temperature"]) == pytest.approx(np.exp(-0.7))
    assert float(metrics["bias"]) == -1.5
    for name, change in (("log_scale", (1e-6, 0)), ("logit_bias", (0, 1e-6))):
        high, low = (siglip_loss(0.7 + s * change[0], -1.5 + s * change[1]) for s in (1, -1))
        assert float(gradient[name]) == pytest.approx((high - low) / 2e-6, abs=1e-7)
    # No clipping, of a scale below 1 or above 100 either.
    for scale in (-1.0, 6.0):
        given = Variables({"log_scale": scale}, {})
        assert method(SigLIP).after_update(given, {}, None) == given


def test_sogclr_of_two_towers_keeps_an_estimate_of_each_side_of_each_pair():
    found = method(BimodalSogCLR, temperature=0.5, gamma=0.25)
    index = jnp.array([8, 0, 3, 5, 1, 2])
    with jax.enable_x64(True):
        never = {kind: jnp.full(9, -jnp.inf) for kind in ("image", "text")}
        old = never["image"].at[0].set(np.log(2.0))
        variables = Variables({}, {}, {**never, "image": old})
        outcome = found.objective(variables, embeddings(), {"index": index}, None, None, None)
        state = found.after_update(variables, outcome.carry, None).method_state
    scores = cosines()
    g = {}
    for kind, s in (("image", scores), ("text", scores.T)):
        others = np.exp((s - np.diag(s)[:, None]) / 0.5)
        g[kind] = (others.sum(1) - 1) / 5
    g["image"][1] = 0.75 * 2 + 0.25 * g["image"][1]  # seen before
    logs = np.log([g["image"], g["text"]])
    assert float(outcome.loss) == pytest.approx(0.5 * logs.mean(), abs=1e-12)
    assert float(outcome.metrics["log_estimate"]) == pytest.approx(logs.mean(), abs=1e-12)
    for kind in g:
        np.testing.assert_allclose(np.exp(state[kind][index]), g[kind], rtol=1e-12)
        assert np.isneginf(state[kind][jnp.array([4, 6, 7])]).all()


def test_a_table_has_a_row_a_pair():
    state = shapes(method(BimodalSogCLR)).method_state
    assert {kind: leaf.shape for kind, leaf in state.items()} == {"image": (9,), "text": (9,)}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (SigLIP, {"temperature": 0.0}, r"method\.temperature=0\.0 is impossible"),
        (BimodalSogCLR, {"temperature": -1.0}, r"method\.temperature=-1\.0 is impossible"),
        (BimodalSogCLR, {"gamma": 1.5}, r"method\.gamma=1\.5 is impossible"),
    ],
)
def test_impossible_options(kind, options, message):
    with pytest.raises(UserError, match=message):
        method(kind, **options)


def test_the_start_of_siglip():
    found = method(SigLIP, temperature=0.25, bias=-3.0)
    params = jax.jit(lambda key: found.init(key, VIEWS, None))(jax.random.key(0)).params
    assert float(params["log_scale"]) == pytest.approx(np.log(4))
    assert float(params["logit_bias"]) == -3.0
