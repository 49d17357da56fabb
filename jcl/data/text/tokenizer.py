"""From strings to token ids of one length."""

import dataclasses
import functools
import json as json_lib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tokenizers
from jaxtyping import Bool, Int, Shaped

from jcl.errors import UserError


class Tokens(NamedTuple):
    """Token ids of texts, as networks take them."""

    ids: Int[np.ndarray, "*n L"]  # int32, zero after a text's end
    mask: Bool[np.ndarray, "*n L"]  # False after a text's end
    cut: Bool[np.ndarray, "*n"]


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of the `tokenizers` package.

    Attributes:
        json: the content of its file, tokenizer.json.
    """

    json: str

    @functools.cached_property
    def size(self) -> int:
        """One more than the largest token id."""
        return 1 + max(tokenizers.Tokenizer.from_str(self.json).get_vocab().values())

    @functools.cached_property
    def around(self) -> tuple[int | None, int | None]:
        """Ids of the special tokens before a text and after it; None where there is none."""
        tokenizer = tokenizers.Tokenizer.from_str(self.json)
        tokenizer.no_padding()
        for text in ("a", *sorted(tokenizer.get_vocab())):
            found = tokenizer.encode(text)
            special = found.special_tokens_mask
            if not all(special):  # a tokenizer of words skips those that it does not know
                ids = [i if s else None for i, s in zip(found.ids, special, strict=True)]
                return ids[0], ids[-1]
        return None, None

    def token(self, number: int) -> str:
        """The token with that id."""
        return tokenizers.Tokenizer.from_str(self.json).id_to_token(number)

    @functools.cached_property
    def padding(self) -> str | None:
        """A special token that can fill up short texts: of padding, or of the end; None: none."""
        special = [t["content"] for t in json_lib.loads(self.json)["added_tokens"] if t["special"]]
        of_padding = next((token for token in special if "pad" in token.lower()), None)
        end = self.around[1]
        return of_padding or (None if end is None else self.token(end))

    def encode(self, texts: Shaped[np.ndarray, "*n"], length: int) -> Tokens:
        """Token ids of texts, with the special tokens that the tokenizer puts around a text.

        Args:
            texts: strings, in an array of any shape. The mask of an empty or blank text is False
                everywhere, and it gets no special tokens.
            length: L. A longer text keeps its first tokens, and the special tokens around them. The
                file's own truncation and padding are ignored.

        Raises:
            UserError: the length leaves no token for the text.
        """
        encoder = _encoder(self.json, length)
        flat = [str(text) for text in texts.reshape(-1)]
        ids = np.zeros((len(flat), length), np.int32)
        mask, cut = np.zeros(ids.shape, bool), np.zeros(len(flat), bool)
        said = [row for row, text in enumerate(flat) if text.strip()]
        found = encoder.encode_batch([flat[row] for row in said])
        for row, encoding in zip(said, found, strict=True):
            count = len(encoding.ids)
            ids[row, :count], mask[row, :count] = encoding.ids, True
            cut[row] = bool(encoding.overflowing)
        whole = (*texts.shape, length)
        return Tokens(ids.reshape(whole), mask.reshape(whole), cut.reshape(texts.shape))

    def is_same(self, other: "Tokenizer") -> bool:
        """Whether both give every text the same ids; the layout of the files may differ."""
        return _plain(self.json) == _plain(other.json)


def read_tokenizer(path: str | Path) -> Tokenizer:
    """Reads a tokenizer.json.

    Args:
        path: of the file, as `tokenizers`, `transformers` and runs of jcl write it.

    Raises:
        UserError: there is no such file, or it does not hold a tokenizer.
    """
    try:
        json = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise UserError(f"the tokenizer {path} cannot be read: {said}") from error
    try:
        tokenizers.Tokenizer.from_str(json)
    except Exception as error:  # the package raises bare exceptions
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path} is not a tokenizer.json of `tokenizers`: {said}") from error
    return Tokenizer(json)


# Several threads may read a source, and the length of a tokenizer in use cannot be changed. So each
# length has a tokenizer of its own.
@functools.lru_cache(maxsize=8)
def _encoder(json: str, length: int) -> tokenizers.Tokenizer:
    encoder = tokenizers.Tokenizer.from_str(json)
    around = encoder.num_special_tokens_to_add(is_pair=False)
    if length <= around:
        raise UserError(
            f"data.text_length={length} leaves no token for a text, because the tokenizer puts "
            f"{around} around each"
        )
    encoder.no_padding()
    encoder.enable_truncation(length)
    return encoder


def _plain(json: str) -> str:
    """The tokenizer in a fixed layout, without truncation and padding."""
    tokenizer = tokenizers.Tokenizer.from_str(json)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer.to_str()
