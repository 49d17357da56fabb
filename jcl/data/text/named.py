"""The tokenizer file that a config names."""

from pathlib import Path

from jcl.data.text.clip_merges import read_clip_merges
from jcl.data.text.tokenizer import Tokenizer, read_tokenizer


def named_tokenizer(path: str | Path) -> Tokenizer:
    """Reads the file that `data.tokenizer` names.

    Args:
        path: of a tokenizer.json, or of the gzipped list of merges of CLIP's tokenizer.

    Raises:
        UserError: as `read_tokenizer` and `read_clip_merges`.
    """
    return read_clip_merges(path) if Path(path).suffix == ".gz" else read_tokenizer(path)
