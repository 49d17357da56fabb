"""SimCSE: losses by hand, and what tells two copies of a text apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.simcse import SimCSE
from jcl.models.dense_tanh import DenseTanh
from jcl.models.projector import MLP
from jcl.models.text.bag import TokenBag

Z = np.random.RandomState(0).randn(5, 3, 4)
IDS = np.random.RandomState(1).randint(0, 7, (4, 6))
COPIES = {
    "ids": jnp.asarray(np.stack([IDS, IDS], 1), jnp.int32),
    "mask": jnp.ones((4, 2, 6), bool),
}
KEYS = jax.random.split(jax.random.key(0), 4)


def method(dropout=0.5, **options):
    encoder = TokenBag(vocabulary=7, width=4, dropout=dropout)
    return SimCSE(encoder, MLP(layers=1, output_dim=4), **options)


def cross_entropy(z0, z1, *negatives, temperature):
    x, y = (
        z / np.linalg.norm(z, axis=1, keepdims=True) for z in (z0, np.concatenate([z1, *negatives]))
    )
    logits = x @ y.T / temperature
    return np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits))


def loss(found, z):
    with jax.enable_x64(True):
        return float(found.objective(None, jnp.asarray(z), {}, None, None, None).loss)


def test_a_text_is_to_find_its_copy_among_all_copies():
    expected = cross_entropy(Z[:, 0], Z[:, 1], temperature=0.05)
    assert loss(method(), Z[:, :2]) == pytest.approx(expected, abs=1e-12)
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = np.mean([cross_entropy(Z[:, a], Z[:, b], temperature=0.2) for a, b in pairs])
    assert loss(method(temperature=0.2), Z) == pytest.approx(expected, abs=1e-12)


def test_hard_negatives_count_for_all_texts():
    expected = cross_entropy(Z[:, 0], Z[:, 1], Z[:, 2], temperature=0.05)
    assert loss(method(hard_negatives=True), Z) == pytest.approx(expected, abs=1e-12)
    message = r"hard_negatives=True takes three views .* makes 2; views.name=texts"
    with pytest.raises(UserError, match=message):
        loss(method(hard_negatives=True), Z[:, :2])


def test_dropout_tells_copies_apart():
    dropping, plain = method(), method(dropout=0.0)
    variables = jax.jit(plain.init)(jax.random.key(1), {"text": COPIES}, None)

    @jax.jit
    def embedded(keys):
        return [found.embed(variables, {"text": COPIES}, keys) for found in (dropping, plain)]

    apart, alike = (found.embeddings for found in embedded(KEYS))
    assert apart.shape == (4, 2, 4)
    assert not np.allclose(apart[:, 0], apart[:, 1], atol=1e-3)
    np.testing.assert_allclose(alike[:, 0], alike[:, 1], rtol=1e-6)


def test_outputs_are_those_of_texts_without_dropout():
    found = method()
    variables = jax.eval_shape(found.init, KEYS[0], {"text": COPIES}, None)
    inputs = {"text": jnp.asarray(IDS), "text_mask": jnp.ones(IDS.shape, bool)}
    shapes = jax.eval_shape(found.outputs, variables, {**inputs, "label": jnp.zeros(4)})
    assert {k: v.shape for k, v in shapes.items()} == {"features": (4, 4), "projection": (4, 4)}
    with pytest.raises(UserError, match="these examples have label"):
        found.outputs(variables, {"label": jnp.zeros(4)})
    with pytest.raises(UserError, match=r"takes views of a text, .* \(views.name\) makes image"):
        found.init(KEYS[0], {"image": jnp.zeros((1, 2, 4, 4, 1))}, None)


def test_the_head_of_bert_is_a_dense_layer_and_tanh():
    x = jax.random.normal(jax.random.key(2), (3, 4))
    variables = DenseTanh().init(jax.random.key(0), x, train=True)
    dense = variables["params"]["dense"]
    expected = np.tanh(np.asarray(x) @ np.asarray(dense["kernel"]) + 0.1)
    dense["bias"] = jnp.full(4, 0.1)
    np.testing.assert_allclose(DenseTanh().apply(variables, x, train=True), expected, rtol=1e-5)


def test_an_impossible_temperature():
    with pytest.raises(UserError, match=r"method\.temperature=0\.0 is impossible"):
        method(temperature=0.0)
