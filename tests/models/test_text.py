"""Encoders of token ids: formulas in NumPy, padding, ids outside the vocabulary, options."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.text import TokenBag, TokenTransformer
from tests.augment.quick_jit import quick_jit

VOCABULARY = 7
LENGTHS = (5, 1, 3, 0)
IDS = np.random.RandomState(0).randint(0, VOCABULARY, (4, 5))
MODELS = {
    "transformer": TokenTransformer(VOCABULARY, width=6, depth=1, heads=2, max_length=8),
    "bag": TokenBag(VOCABULARY, width=6, layers=2),
}
every_model = pytest.mark.parametrize("name", MODELS)


def text_of(ids, lengths=LENGTHS):
    mask = np.arange(ids.shape[1]) < np.array(lengths)[:, None]
    return {"ids": jnp.asarray(ids, jnp.int32), "mask": jnp.asarray(mask)}


TEXT = text_of(IDS)


def drawn_variables(model, seed=0):
    """Variables with no zero and no one among them, which could hide a mistake."""
    random = np.random.RandomState(seed)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), TEXT, train=True))
    return jax.tree.map(lambda leaf: jnp.asarray(random.randn(*leaf.shape), leaf.dtype), shapes)


@functools.cache
def compiled(name):
    """From variables and a text to features."""
    return quick_jit(lambda variables, text: MODELS[name].apply(variables, text, train=False))


def in_float64(variables):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])


def dense(params, x):
    return x @ params["kernel"] + params["bias"]


def layer_norm(params, x):
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    return normed * params["scale"] + params["bias"]


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def transformer(params, ids):
    """Features of one text without padding."""
    x = params["token_embedding"]["embedding"][ids] + params["position_embedding"][: len(ids)]
    block = params["block0"]
    y = layer_norm(block["attention_norm"], x)
    attended = []
    for head in (slice(0, 3), slice(3, 6)):
        q, k, v = (dense(block["attention"][n], y)[:, head] for n in ("query", "key", "value"))
        weights = np.exp(q @ k.T / math.sqrt(3))
        attended.append(weights / weights.sum(1, keepdims=True) @ v)
    x = x + dense(block["attention"]["output"], np.concatenate(attended, axis=1))
    y = layer_norm(block["mlp_norm"], x)
    x = x + dense(block["mlp_output"], gelu(dense(block["mlp_hidden"], y)))
    return layer_norm(params["final_norm"], x).mean(0)


def bag(params, ids):
    """Features of one text without padding."""
    mean = params["token_embedding"]["embedding"][ids].sum(0) / max(len(ids), 1)
    x = layer_norm(params["norm"], mean)
    for i in range(2):
        x = gelu(dense(params[f"dense{i}"], x))
    return x


FORMULAS = {"transformer": transformer, "bag": bag}


@every_model
def test_each_text_against_numpy_without_its_padding(name):
    variables = drawn_variables(MODELS[name])
    features, params = compiled(name)(variables, TEXT), in_float64(variables)
    for row, ids, length in zip(features, IDS, LENGTHS, strict=True):
        is_zero = name == "transformer" and not length
        expected = np.zeros(6) if is_zero else FORMULAS[name](params, ids[:length])
        np.testing.assert_allclose(row, expected, rtol=2e-4, atol=2e-4)


@every_model
def test_padding_changes_no_bit_of_features_and_gradient(name):
    model = MODELS[name]
    variables = drawn_variables(model)
    garbage = np.where(TEXT["mask"], IDS, np.array([-1, 3, 99, 2**31 - 1, -(2**31)]))

    @quick_jit
    def features_and_gradient(variables, text):
        def loss(variables):
            features = model.apply(variables, text, train=True)
            return jnp.sum(jnp.sin(features)), features

        return jax.value_and_grad(loss, has_aux=True)(variables)

    ours, theirs = (features_and_gradient(variables, text_of(ids)) for ids in (IDS, garbage))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(ours))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    unmasked = features_and_gradient(variables, text_of(IDS, [5] * 4))
    assert not np.allclose(unmasked[0][1], ours[0][1])


@every_model
def test_an_id_outside_the_vocabulary_gives_nan_in_its_row_alone(name):
    ids = IDS.copy()
    ids[0, 2], ids[2, 0] = VOCABULARY, -1
    features = np.asarray(compiled(name)(drawn_variables(MODELS[name]), text_of(ids)))
    assert np.isnan(features[[0, 2]]).all()
    assert np.isfinite(features[[1, 3]]).all()


def test_the_order_of_tokens_counts_in_the_transformer_alone():
    differs = {}
    for name, model in MODELS.items():
        forwards, backwards = (
            compiled(name)(drawn_variables(model), text_of(ids))[0] for ids in (IDS, IDS[:, ::-1])
        )
        differs[name] = not np.allclose(forwards, backwards, atol=1e-3)
    assert differs == {"transformer": True, "bag": False}


@every_model
def test_dtypes(name):
    def dtypes(dtype, param_dtype):
        model = MODELS[name].clone(dtype=dtype, param_dtype=param_dtype)
        features, variables = jax.eval_shape(
            lambda: model.init_with_output(jax.random.key(0), TEXT, train=True)
        )
        return features.dtype, {leaf.dtype for leaf in jax.tree.leaves(variables)}

    assert dtypes(jnp.bfloat16, jnp.float32) == (jnp.bfloat16, {np.dtype("float32")})
    with jax.enable_x64(True):
        assert dtypes(jnp.float64, jnp.float64) == (np.float64, {np.dtype("float64")})


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (TokenTransformer, {"depth": 0}, "text_encoder.depth=0 is impossible"),
        (TokenTransformer, {"heads": 5}, "text_encoder.heads=5 is impossible: it does not divide"),
        (TokenBag, {"vocabulary": 0}, "text_encoder.vocabulary=0 is impossible"),
        (TokenBag, {"layers": 0}, "text_encoder.layers=0 is impossible"),
    ],
)
def test_impossible_options_are_named(model, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        model(**options)


def test_texts_that_are_too_long_are_refused():
    model = MODELS["transformer"].clone(max_length=4)
    message = "texts have 5 tokens with their padding, and text_encoder.max_length=4"
    with pytest.raises(UserError, match=message):
        model.init(jax.random.key(0), TEXT, train=True)
