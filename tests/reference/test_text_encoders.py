"""CLIP's and BERT's encoders of texts against Hugging Face's with the same weights, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from jcl.models.text.bert import BERT  # noqa: E402
from jcl.models.text.clip_text import CLIPText  # noqa: E402
from tests.reference.torch_weights import (  # noqa: E402
    array,
    assert_same,
    dense,
    gradients_in_place_of_weights,
    norm,
    randomise,
)

pytestmark = pytest.mark.reference

VOCABULARY, LENGTH = 30, 9
END = VOCABULARY - 1
LENGTHS = np.array([9, 4, 2, 7])
MASK = np.arange(LENGTH) < LENGTHS[:, None]
IDS = np.random.RandomState(0).randint(1, END, MASK.shape)  # their 0 is padding, without gradient
IDS[np.arange(4), LENGTHS - 1] = END
SIZES = {"width": 24, "depth": 3, "heads": 4, "max_length": 12}
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 12,
    # Its other one computes the softmax in float32, whatever the rest is.
    "attn_implementation": "sdpa",
}
ATTENTION = ("query", "key", "value")


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def ours(kind, **options):
    return kind(VOCABULARY, **SIZES, dtype=jnp.float64, param_dtype=jnp.float64, **options)


def check(model, theirs, params_of, pooled):
    """Features and gradients of all weights."""
    text = {"ids": jnp.asarray(IDS), "mask": jnp.asarray(MASK)}

    def loss(params):
        features = model.apply({"params": params}, text, train=True)
        return jnp.sum(jnp.sin(features)), features

    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (_, features), gradients = gradient(params_of(theirs))
    given = {"input_ids": torch.from_numpy(IDS), "attention_mask": torch.from_numpy(MASK).long()}
    expected = pooled(theirs(**given))
    assert_same(features, array(expected))
    assert np.ptp(features, axis=0).max() > 0.01
    expected.sin().sum().backward()
    gradients_in_place_of_weights(theirs)
    assert_same(gradients, params_of(theirs), tolerance=1e-7)


def clip_params(theirs):
    theirs = getattr(theirs, "text_model", theirs)
    embeddings = theirs.embeddings
    params = {
        "token_embedding": {"embedding": array(embeddings.token_embedding.weight)},
        "position_embedding": array(embeddings.position_embedding.weight),
        "final_norm": norm(theirs.final_layer_norm),
    }
    for i, layer in enumerate(theirs.encoder.layers):
        attention = layer.self_attn
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        params[f"block{i}"] = {
            "attention_norm": norm(layer.layer_norm1),
            "attention": {
                **dict(zip(ATTENTION, map(dense, projections), strict=True)),
                "output": dense(attention.out_proj),
            },
            "mlp_norm": norm(layer.layer_norm2),
            "mlp_hidden": dense(layer.mlp.fc1),
            "mlp_output": dense(layer.mlp.fc2),
        }
    return params


@pytest.mark.parametrize("activation", ["quick_gelu", "exact_gelu"])
def test_clip(activation):
    theirs_name = {"quick_gelu": "quick_gelu", "exact_gelu": "gelu"}[activation]
    config = transformers.CLIPTextConfig(
        **COMMON, hidden_act=theirs_name, eos_token_id=END, layer_norm_eps=1e-5
    )
    theirs = transformers.CLIPTextModel(config)
    randomise(theirs)
    model = ours(CLIPText, activation=activation)
    check(model, theirs, clip_params, lambda found: found.pooler_output)


def bert_params(theirs):
    embeddings = theirs.embeddings
    params = {
        "token_embedding": {"embedding": array(embeddings.word_embeddings.weight)},
        "position_embedding": array(embeddings.position_embeddings.weight),
        "embedding_norm": norm(embeddings.LayerNorm),
    }
    for i, layer in enumerate(theirs.encoder.layer):
        attention = layer.attention.self
        projections = (attention.query, attention.key, attention.value)
        params[f"block{i}"] = {
            "attention": {
                **dict(zip(ATTENTION, map(dense, projections), strict=True)),
                "output": dense(layer.attention.output.dense),
            },
            "attention_norm": norm(layer.attention.output.LayerNorm),
            "mlp_hidden": dense(layer.intermediate.dense),
            "mlp_output": dense(layer.output.dense),
            "mlp_norm": norm(layer.output.LayerNorm),
        }
    return params


def bert(**options):
    config = transformers.BertConfig(**COMMON, hidden_act="gelu", layer_norm_eps=1e-12, **options)
    theirs = transformers.BertModel(config, add_pooling_layer=False)
    randomise(theirs)
    with torch.no_grad():  # the segment of a single text, which ours has in its positions
        segment = theirs.embeddings.token_type_embeddings.weight
        theirs.embeddings.position_embeddings.weight += segment[0]
        segment.zero_()
    return theirs.eval()


def mean_of_tokens(found):
    mask = torch.from_numpy(MASK)[..., None]
    return (found.last_hidden_state * mask).sum(1) / mask.sum(1)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_bert(pooling):
    pooled = {"cls": lambda found: found.last_hidden_state[:, 0], "mean": mean_of_tokens}[pooling]
    check(ours(BERT, pooling=pooling), bert(), bert_params, pooled)
