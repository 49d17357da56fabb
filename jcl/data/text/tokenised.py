"""A source whose texts are token ids, made from one whose texts are strings."""

import dataclasses

import numpy as np
from absl import logging
from jaxtyping import Int, Shaped

from jcl.data.source import Source
from jcl.data.text.texts import TEXT, each_part, read_texts
from jcl.data.text.tokenizer import Tokenizer, Tokens
from jcl.errors import UserError

# Number of texts of a split that is not in memory from which the share of cut texts is estimated.
_LOOKED_AT = 10_000


@dataclasses.dataclass(frozen=True)
class Tokenised:
    """See `jcl.data.Source`; `text` is int32 [b, L] or [b, K, L], `text_mask` bool of this shape.

    Attributes:
        raw: the split with strings as `text`, [b], or [b, K] if examples have up to K texts. The
            mask of a text "" is False everywhere.
        tokenizer: of the run.
        length: L, largest number of tokens of a text.
        whole: the tokens of all examples; None if they are computed at every read.
    """

    raw: Source
    tokenizer: Tokenizer
    length: int
    whole: Tokens | None

    @property
    def image_shape(self):
        """That of the strings' source."""
        return self.raw.image_shape

    @property
    def n_classes(self):
        """That of the strings' source."""
        return self.raw.n_classes

    @property
    def class_names(self):
        """Those of the strings' source, if it has any."""
        return getattr(self.raw, "class_names", None)

    @property
    def known_labels(self):
        """The label of every example, if the strings' source knows them without reading."""
        return getattr(self.raw, "known_labels", None)

    @property
    def known_targets(self):
        """The target of every example, if the strings' source knows them without reading."""
        return getattr(self.raw, "known_targets", None)

    @property
    def in_memory(self):
        """Whether reading is a plain array lookup."""
        return self.raw.in_memory

    def __len__(self) -> int:
        return len(self.raw)

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices`, with token ids instead of strings.

        Raises:
            UserError: an example has no text.
        """
        found = dict(self.raw.batch(indices))
        texts = found.pop(TEXT)
        if self.whole is None:
            ids, mask, _ = _encode(self.tokenizer, texts, self.length, indices)
        else:
            ids, mask = self.whole.ids[indices], self.whole.mask[indices]
        return {**found, TEXT: ids, f"{TEXT}_mask": mask}

    def texts(self, indices: Int[np.ndarray, " b"]) -> Shaped[np.ndarray, "b *captions"]:  # noqa: F821
        """The strings."""
        return read_texts(self.raw, indices)


def tokenised(raw: Source, tokenizer: Tokenizer, length: int, *, what: str) -> Tokenised:
    """Replaces strings by token ids, and logs how many texts are cut.

    Args:
        raw: a split whose `text` is strings.
        tokenizer: of the run.
        length: largest number of tokens of a text.
        what: name of the split for the message.

    Raises:
        UserError: an example has no text. If the split is not in memory, this may also be raised
            later, when the example is read.
    """
    looked_at = np.arange(len(raw))
    if not raw.in_memory:
        looked_at = np.unique(np.linspace(0, len(raw) - 1, _LOOKED_AT).astype(int))
    parts, first = [], 0
    for texts in each_part(raw, looked_at, f"Tokenising {what}"):
        rows = looked_at[first : first + len(texts)]
        parts.append(_encode(tokenizer, texts, length, rows))
        first += len(texts)
    found = Tokens(*(np.concatenate(leaves) for leaves in zip(*parts, strict=True)))
    if cut := int(found.cut.sum()):
        all_texts = int(found.mask.any(-1).sum())
        logging.warning(
            "%s: %d of %d texts have more than %d tokens and are cut there (data.text_length)",
            *(what, cut, all_texts, length),
        )
    return Tokenised(raw, tokenizer, length, found if raw.in_memory else None)


def _encode(tokenizer: Tokenizer, texts, length: int, indices) -> Tokens:
    found = tokenizer.encode(texts, length)
    empty = ~found.mask.reshape(len(texts), -1).any(1)
    if empty.any():
        raise UserError(
            f"example {indices[np.argmax(empty)]} has an empty text: every example needs one"
        )
    return found
