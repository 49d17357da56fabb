"""Writes a tokenizer of the words of a dataset, which `data.tokenizer` names."""

from pathlib import Path

import numpy as np

from jcl.data import open_source, source_options
from jcl.data.prepare.write import check_name
from jcl.data.text.texts import each_part, has_strings
from jcl.data.text.words import train_words
from jcl.errors import UserError


def write_words(source: str, *, name: str, data_dir: str) -> Path:
    """Writes DATA_DIR/NAME.json, of the words of the training split.

    Args:
        source: a value of `data.name`, with default options, such as tfds:NAME in `data_dir`.
        name: of the tokenizer.
        data_dir: folder to write into.

    Returns:
        The path of the file.

    Raises:
        UserError: as `open_source`, texts that are not strings, or a file that exists.
    """
    check_name(name)
    path = Path(data_dir, f"{name}.json")
    if path.exists():
        raise UserError(f"{path} exists already: delete it first, or give another --name")
    folder = {"dir": data_dir} if "dir" in source_options(source) else {}
    train = open_source(source, "train", **folder)
    if not has_strings(train):
        raise UserError(f"source={source!r} has no texts that are strings, so it has no words")
    parts = each_part(train, np.arange(len(train)), "Reading texts")
    made = train_words(str(text) for part in parts for text in part.reshape(-1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.json, encoding="utf-8")
    return path
