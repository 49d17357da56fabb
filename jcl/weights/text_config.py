"""The config.json by which Hugging Face's `transformers` makes an encoder of texts."""

from typing import Any

import flax.linen as nn

from jcl.models.text import bert, clip_text
from jcl.weights.bert import SEGMENTS
from jcl.weights.untold import ACTIVATIONS, KEYS, untold

_NO_TOKEN = -1


def text_config(
    network: nn.Module, *, vocabulary: int, projection: int | None, end: int | None
) -> dict[str, Any] | None:
    """The config of their class of network; None where they have none.

    Args:
        network: an encoder of texts.
        vocabulary: rows of its token embedding.
        projection: dimension of the projection of CLIP that the file holds too; None: it holds
            none.
        end: id of the token that stands after every text; None where there is none, or where none
            is known.
    """
    if isinstance(network, clip_text.CLIPText):
        own = {
            "architectures": [
                "CLIPTextModel" if projection is None else "CLIPTextModelWithProjection"
            ],
            "model_type": "clip_text_model",
            "attention_dropout": network.dropout,
            "projection_dim": projection or network.width,
            # Its `pooler_output` is the vector of the first of these tokens.
            "eos_token_id": _NO_TOKEN if end is None else end,
            "bos_token_id": None,
        }
    elif isinstance(network, bert.BERT):
        own = {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_dropout_prob": network.dropout,
            "attention_probs_dropout_prob": network.dropout,
            "type_vocab_size": SEGMENTS,
        }
    else:
        return None
    told = untold(network)
    told["activation"] = ACTIVATIONS[told["activation"]][0]
    return {
        **own,
        **{KEYS[name]: value for name, value in told.items() if name in KEYS},
        "vocab_size": vocabulary,
        "hidden_size": network.width,
        "intermediate_size": 4 * network.width,
        "num_hidden_layers": network.depth,
        "max_position_embeddings": network.max_length,
        "pad_token_id": None,
    }
