"""What stands beside exported weights of an encoder of texts, and the program that loads them."""

import json
from pathlib import Path

import flax.linen as nn

from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError
from jcl.models.text.bert import BERT
from jcl.models.text.clip_text import CLIPText
from jcl.runtime import workdir as workdir_lib

CONFIG, OF_TOKENIZER = "config.json", "tokenizer_config.json"


def write_text_files(
    folder: Path, *, config: dict | None, tokenizer: Tokenizer | None, length: int
) -> None:
    """Writes config.json, tokenizer.json and tokenizer_config.json, those that there are.

    Args:
        folder: where the weights lie.
        config: as `jcl.weights.text_config` makes it; None where `transformers` has no such class.
        tokenizer: of the run; None where its examples hold token ids.
        length: tokens that a text has at most.

    Raises:
        UserError: a file cannot be written.
    """
    texts = {}
    if config is not None:
        texts[CONFIG] = json.dumps(config, indent=2)
    if tokenizer is not None:
        texts[workdir_lib.TOKENIZER] = tokenizer.json
        of_tokenizer = {
            # Their classes of other names put other tokens together.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": length,
            "model_input_names": ["input_ids", "attention_mask"],
            "pad_token": tokenizer.padding,
            "clean_up_tokenization_spaces": False,
        }
        texts[OF_TOKENIZER] = json.dumps(of_tokenizer, indent=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            workdir_lib.write_atomically(folder / name, text + "\n")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from error


def text_program(
    network: nn.Module, *, has_head: bool, tokenizer: Tokenizer | None, end: int | None
) -> str:
    """A program that loads the weights with `transformers` and computes the features of texts.

    Args:
        network: `CLIPText` or `BERT`.
        has_head: whether the file holds the projection of CLIP, or the pooler of BERT.
        tokenizer: of the run; None where its examples hold token ids.
        end: id of the token that stands after every text; None where there is none, or where none
            is known.
    """
    is_clip = isinstance(network, CLIPText)
    kind, option, encoder = "BertModel", "" if has_head else ", add_pooling_layer=False", "model"
    if is_clip:
        kind, option = "CLIPTextModel", ""
        if has_head:
            kind, encoder = "CLIPTextModelWithProjection", "model.text_model"
    load = f'model = {kind}.from_pretrained("."{option})  # the folder of this card'
    if tokenizer is None:
        lines = [
            "import torch",
            f"from transformers import {kind}\n",
            load,
            "ids = torch.tensor([[3, 2, 1]])  # as the run's data have them",
            'given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}',
        ]
    else:
        texts = '["a text", "and one more"], padding=True' if tokenizer.padding else '["a text"]'
        lines = [
            f"from transformers import AutoTokenizer, {kind}\n",
            f'tokenizer = AutoTokenizer.from_pretrained(".")\n{load}',
            f'given = tokenizer({texts}, truncation=True, return_tensors="pt")',
        ]
    lines += _features(network, encoder, end)
    if has_head:
        output = "model.text_projection(features)" if is_clip else "model(**given).pooler_output"
        lines.append(f"projection = {output}")
    return "\n".join(lines)


def _features(network: CLIPText | BERT, encoder: str, end: int | None) -> list[str]:
    hidden, mask = f"{encoder}(**given).last_hidden_state", 'given["attention_mask"]'
    if isinstance(network, CLIPText):
        if end is not None:
            return [f"features = {encoder}(**given).pooler_output"]
        return [
            f"last = {mask}.sum(1) - 1  # pooler_output knows no end of these texts",
            f"features = {hidden}[range(len(last)), last]",
        ]
    if network.pooling == "cls":
        return [f"features = {hidden}[:, 0]"]
    return [
        f"mask = {mask}[..., None]",
        f"features = ({hidden} * mask).sum(1) / mask.sum(1)",
    ]
