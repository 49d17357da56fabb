"""CLIP's and BERT's encoders of texts against Hugging Face's with the same weights, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from jcl.models.text.bert import BERT  # noqa: E402
from jcl.models.text.clip_text import CLIPText  # noqa: E402
from jcl.weights.read import under_our_names  # noqa: E402
from jcl.weights.tables import tables_of  # noqa: E402
from tests.reference.torch_weights import (  # noqa: E402
    array,
    assert_same,
    gradients_in_place_of_weights,
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


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def ours(kind, **options):
    return kind(VOCABULARY, **SIZES, dtype=jnp.float64, param_dtype=jnp.float64, **options)


def check(model, theirs, pooled):
    """Features and gradients of all weights."""
    text = {"ids": jnp.asarray(IDS), "mask": jnp.asarray(MASK)}

    def loss(params):
        features = model.apply({"params": params}, text, train=True)
        return jnp.sum(jnp.sin(features)), features

    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (_, features), gradients = gradient(params_of(model, theirs))
    given = {"input_ids": torch.from_numpy(IDS), "attention_mask": torch.from_numpy(MASK).long()}
    expected = pooled(theirs(**given))
    assert_same(features, array(expected))
    assert np.ptp(features, axis=0).max() > 0.01
    expected.sin().sum().backward()
    gradients_in_place_of_weights(theirs)
    assert_same(gradients, params_of(model, theirs), tolerance=1e-7)


def params_of(model, theirs):
    """Their weights, as `init_from` takes them from their files."""
    text = {"ids": jnp.asarray(IDS), "mask": jnp.asarray(MASK)}
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), text, train=True))["params"]
    shapes = {name: leaf.shape for name, leaf in flatten_dict(params, sep="/").items()}
    arrays = {name: np.array(array(tensor)) for name, tensor in theirs.state_dict().items()}
    found = under_our_names(arrays, shapes, tables_of(model, "text_encoder"), "theirs")
    return unflatten_dict({name: jnp.asarray(found[name]) for name in shapes}, sep="/")


@pytest.mark.parametrize("activation", ["quick_gelu", "exact_gelu"])
def test_clip(activation):
    theirs_name = {"quick_gelu": "quick_gelu", "exact_gelu": "gelu"}[activation]
    config = transformers.CLIPTextConfig(
        **COMMON, hidden_act=theirs_name, eos_token_id=END, layer_norm_eps=1e-5
    )
    theirs = transformers.CLIPTextModel(config)
    randomise(theirs)
    check(ours(CLIPText, activation=activation), theirs, lambda found: found.pooler_output)


def bert():
    config = transformers.BertConfig(**COMMON, hidden_act="gelu", layer_norm_eps=1e-12)
    theirs = transformers.BertModel(config, add_pooling_layer=False)
    randomise(theirs)

    def no_gradient_twice(gradient):
        """Ours has the segment in its positions, which get the same gradient."""
        return torch.zeros_like(gradient)

    theirs.embeddings.token_type_embeddings.weight.register_hook(no_gradient_twice)
    return theirs.eval()


def mean_of_tokens(found):
    mask = torch.from_numpy(MASK)[..., None]
    return (found.last_hidden_state * mask).sum(1) / mask.sum(1)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_bert(pooling):
    pooled = {"cls": lambda found: found.last_hidden_state[:, 0], "mean": mean_of_tokens}[pooling]
    check(ours(BERT, pooling=pooling), bert(), pooled)
