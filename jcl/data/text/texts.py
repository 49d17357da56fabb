"""The texts of a source, read without its images."""

import sys
from collections.abc import Iterator

import numpy as np
import tqdm
from jaxtyping import Int, Shaped

from jcl.data.source import Source

TEXT = "text"
_PART = 1000  # examples read at a time


def has_strings(source: Source) -> bool:
    """Whether the text of the source's examples is strings, and not token ids."""
    return source.batch(np.arange(1)).get(TEXT, np.zeros(1)).dtype.kind in "OTU"


def read_texts(source: Source, indices: Int[np.ndarray, " b"]) -> Shaped[np.ndarray, "b *captions"]:  # noqa: F821
    """The strings of examples [b], or [b, K] if each has up to K; "" means no text.

    A source whose images take long to read has a function `texts` that reads only the texts.
    """
    texts = getattr(source, "texts", None)
    return source.batch(indices)[TEXT] if texts is None else texts(indices)


def each_part(
    source: Source, indices: Int[np.ndarray, " b"], what: str
) -> Iterator[Shaped[np.ndarray, "b *captions"]]:  # noqa: F821
    """`read_texts` for some examples at a time, with a progress bar on a terminal.

    Args:
        source: a source whose text is strings.
        indices: of the examples.
        what: the label of the progress bar.
    """
    parts = np.array_split(indices, -(-len(indices) // _PART))
    for part in tqdm.tqdm(parts, desc=what, disable=not sys.stderr.isatty()):
        yield read_texts(source, part)
