"""The tokenizer of a new run: the one in the config, or one trained on its texts."""

import numpy as np
from absl import logging

from jcl.data.source import Source
from jcl.data.text.bpe import train_bpe
from jcl.data.text.named import named_tokenizer
from jcl.data.text.texts import each_part
from jcl.data.text.tokenizer import Tokenizer

# Largest number of examples on whose texts a BPE is trained; more do not change the common pairs.
_MOST = 100_000


def make_tokenizer(train: Source, *, path: str | None, vocabulary: int) -> Tokenizer:
    """Reads or trains a tokenizer.

    Args:
        train: the training split, whose texts are strings. At most 100,000 evenly spaced examples
            are read.
        path: see `jcl.data.text.named`; None trains a tokenizer.
        vocabulary: largest number of tokens of a trained tokenizer.

    Raises:
        UserError: the file cannot be read.
    """
    if path is not None:
        return named_tokenizer(path)
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), _MOST)).astype(int))
    parts = each_part(train, rows, "Reading texts to train the tokenizer")
    made = train_bpe((str(text) for part in parts for text in part.reshape(-1)), vocabulary)
    logging.info("trained a tokenizer of %d tokens on %d examples", made.size, len(rows))
    return made
