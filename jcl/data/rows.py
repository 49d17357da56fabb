"""A subset of the examples of a split, as a split."""

import dataclasses

import numpy as np
from jaxtyping import Int

from jcl.data.source import Source
from jcl.data.text.texts import read_texts


@dataclasses.dataclass(frozen=True)
class Rows:
    """See `jcl.data.Source`; example i is example `rows[i]` of the whole.

    Attributes:
        whole: the split.
        rows: positions in it, integers [s].
    """

    whole: Source
    rows: Int[np.ndarray, " s"]

    @property
    def image_shape(self):
        """That of the whole."""
        return self.whole.image_shape

    @property
    def n_classes(self):
        """That of the whole; a class may have no example in the subset."""
        return self.whole.n_classes

    @property
    def class_names(self):
        """Those of the whole, if it has any."""
        return getattr(self.whole, "class_names", None)

    @property
    def known_labels(self):
        """The label of every example, if the whole knows them without reading."""
        labels = getattr(self.whole, "known_labels", None)
        return None if labels is None else labels[self.rows]

    @property
    def known_targets(self):
        """The target of every example, if the whole knows them without reading."""
        targets = getattr(self.whole, "known_targets", None)
        return None if targets is None else targets[self.rows]

    @property
    def tokenizer(self):
        """That of the whole, if texts were strings."""
        return getattr(self.whole, "tokenizer", None)

    @property
    def in_memory(self):
        """Whether reading is a plain array lookup."""
        return self.whole.in_memory

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices` of this subset."""
        return self.whole.batch(self.rows[indices])

    def texts(self, indices: Int[np.ndarray, " b"]) -> np.ndarray:
        """Reads only the text, if it is strings."""
        return read_texts(self.whole, self.rows[indices])
