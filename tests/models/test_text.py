"""Encoders of token ids: formulas in NumPy, padding, ids outside the vocabulary, options."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.text.bag import TokenBag
from jcl.models.text.bert import BERT
from jcl.models.text.clip_text import CLIPText
from jcl.models.text.token_transformer import TokenTransformer
from tests.augment.quick_jit import quick_jit

VOCABULARY = 7
LENGTHS = (5, 1, 3, 0)
IDS = np.random.RandomState(0).randint(0, VOCABULARY, (4, 5))
MODELS = {
    "transformer": TokenTransformer(VOCABULARY, width=6, depth=1, heads=2, max_length=8),
    "bag": TokenBag(VOCABULARY, width=6, layers=2),
    # Where there is one block, its last token sees all of the text in any case.
    "clip_text": CLIPText(VOCABULARY, width=6, depth=2, heads=2, max_length=8),
    "bert": BERT(VOCABULARY, width=6, depth=1, heads=2, max_length=8, dropout=0.5),
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


def layer_norm(params, x, epsilon=1e-6):
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return normed * params["scale"] + params["bias"]


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def quick_gelu(x):
    return x / (1 + np.exp(-1.702 * x))


def embedded(params, ids):
    return params["token_embedding"]["embedding"][ids] + params["position_embedding"][: len(ids)]


def attention(params, y, *, causal=False):
    attended = []
    for head in (slice(0, 3), slice(3, 6)):
        q, k, v = (dense(params[name], y)[:, head] for name in ("query", "key", "value"))
        weights = np.exp(q @ k.T / math.sqrt(3))
        weights = np.tril(weights) if causal else weights
        attended.append(weights / weights.sum(1, keepdims=True) @ v)
    return dense(params["output"], np.concatenate(attended, axis=1))


def pre_norm(block, x, *, activation, epsilon, causal):
    y = layer_norm(block["attention_norm"], x, epsilon)
    x = x + attention(block["attention"], y, causal=causal)
    y = layer_norm(block["mlp_norm"], x, epsilon)
    return x + dense(block["mlp_output"], activation(dense(block["mlp_hidden"], y)))


def transformer(params, ids):
    """Features of one text without padding."""
    options = {"activation": gelu, "epsilon": 1e-6, "causal": False}
    x = pre_norm(params["block0"], embedded(params, ids), **options)
    return layer_norm(params["final_norm"], x).mean(0)


def clip_text(params, ids):
    """Features of one text without padding."""
    options, x = {"activation": quick_gelu, "epsilon": 1e-5, "causal": True}, embedded(params, ids)
    for i in range(2):
        x = pre_norm(params[f"block{i}"], x, **options)
    return layer_norm(params["final_norm"], x, 1e-5)[-1]


def bert(params, ids):
    """Features of one text without padding."""
    x, block = layer_norm(params["embedding_norm"], embedded(params, ids), 0), params["block0"]
    x = layer_norm(block["attention_norm"], x + attention(block["attention"], x), 0)
    y = dense(block["mlp_output"], gelu(dense(block["mlp_hidden"], x)))
    return layer_norm(block["mlp_norm"], x + y, 0)[0]


def bag(params, ids):
    """Features of one text without padding."""
    mean = params["token_embedding"]["embedding"][ids].sum(0) / max(len(ids), 1)
    x = layer_norm(params["norm"], mean)
    for i in range(2):
        x = gelu(dense(params[f"dense{i}"], x))
    return x


FORMULAS = {"transformer": transformer, "bag": bag, "clip_text": clip_text, "bert": bert}


@every_model
def test_each_text_against_numpy_without_its_padding(name):
    variables = drawn_variables(MODELS[name])
    features, params = compiled(name)(variables, TEXT), in_float64(variables)
    for row, ids, length in zip(features, IDS, LENGTHS, strict=True):
        is_zero = name != "bag" and not length
        expected = np.zeros(6) if is_zero else FORMULAS[name](params, ids[:length])
        np.testing.assert_allclose(row, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    "name",
    [*list(MODELS)[:2], *(pytest.param(name, marks=pytest.mark.slow) for name in list(MODELS)[2:])],
)
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
    assert differs == {"transformer": True, "bag": False, "clip_text": True, "bert": True}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name != "bag"])
def test_no_token_sees_those_after_it_in_clip_alone(name):
    """The first token of the last block does not change with the third id, or does."""
    model, variables = MODELS[name], drawn_variables(MODELS[name])

    def first(ids):
        _, state = model.apply(
            variables, text_of(ids, [5] * 4), train=False, capture_intermediates=True
        )
        return state["intermediates"]["block0"]["__call__"][0][:, 0]

    changed = IDS.copy()
    changed[:, 2] = (changed[:, 2] + 1) % VOCABULARY
    same = np.allclose(first(IDS), first(changed), atol=1e-6)
    assert same == (name == "clip_text")


KEYS = jax.random.split(jax.random.key(3), 4)


@pytest.mark.slow
@every_model
def test_dropout_is_a_texts_own_and_nothing_without_keys(name):
    plain = MODELS[name].clone(dropout=0.0)
    dropping = MODELS[name].clone(dropout=0.5)
    variables = drawn_variables(plain)

    @quick_jit
    def outputs(rows):
        text = jax.tree.map(lambda x: x[rows], TEXT)
        given = {"train": True, "keys": KEYS[rows]}
        runs = (plain, given), (dropping, {"train": True}), (dropping, given)
        return [model.apply(variables, text, **options) for model, options in runs]

    rows = jnp.array([2, 0])
    whole, some = outputs(jnp.arange(4)), outputs(rows)
    np.testing.assert_array_equal(whole[0], whole[1])
    assert not np.allclose(whole[2][:3], whole[0][:3], atol=1e-3)
    for of_all, of_some in zip(whole, some, strict=True):
        np.testing.assert_allclose(of_some, of_all[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip_text", "bert"])
def test_computing_blocks_again_changes_nothing(name):
    variables, model = drawn_variables(MODELS[name]), MODELS[name]

    @functools.partial(jax.jit, static_argnums=1)
    def gradient(variables, remat):
        def loss(variables):
            features = model.clone(remat=remat).apply(variables, TEXT, train=True, keys=KEYS)
            return jnp.sum(jnp.sin(features))

        return jax.grad(loss)(variables)

    ours, theirs = (gradient(variables, remat) for remat in (True, False))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


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
        (CLIPText, {"activation": "gelu"}, "text_encoder.activation='gelu' is unknown; allowed"),
        (BERT, {"pooling": "last"}, "text_encoder.pooling='last' is unknown; allowed: cls, mean"),
        (BERT, {"dropout": 1.0}, "text_encoder.dropout=1.0 is impossible"),
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
