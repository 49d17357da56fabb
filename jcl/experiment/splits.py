"""The splits of a config's dataset, with texts as token ids."""

from collections.abc import Callable
from typing import Literal

from ml_collections import ConfigDict

from jcl.data import Source, open_source
from jcl.data.text.make import make_tokenizer
from jcl.data.text.texts import has_strings
from jcl.data.text.tokenised import tokenised
from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError

_OF_TEXT = ("tokenizer", "vocabulary", "text_length")


def open_split(
    config: ConfigDict,
    split: Literal["train", "test"],
    *,
    tokenizer: Callable[[], Tokenizer] | None = None,
) -> Source:
    """Opens a split of the config's dataset.

    Args:
        config: from `jcl.config.base()`.
        split: "train" or "test".
        tokenizer: returns the tokenizer for texts that are strings, and is not called otherwise;
            None makes the tokenizer of `data.tokenizer`, from the training split.

    Raises:
        UserError: as `open_source`; a tokenizer that cannot be read, or texts that it cannot
        encode.
    """
    own = config.data.to_dict()
    of_text = {key: own.pop(key) for key in _OF_TEXT}
    source = open_source(split=split, **own)
    if not has_strings(source):
        if tokenizer is None and (path := of_text["tokenizer"]) is not None:
            raise UserError(
                f"data.tokenizer={path!r} is set, but data.name={own['name']!r} has no texts that "
                "are strings"
            )
        return source
    if tokenizer is None:
        train = source if split == "train" else open_source(split="train", **own)
        named, vocabulary = of_text["tokenizer"], of_text["vocabulary"]
        made = make_tokenizer(train, path=named, vocabulary=vocabulary)
    else:
        made = tokenizer()
    what = f"the {split} split of {own['name']}"
    return tokenised(source, made, of_text["text_length"], what=what)
