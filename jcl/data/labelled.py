"""A split whose examples must all have a label, for sources that know labels only by reading."""

import dataclasses

import numpy as np
from jaxtyping import Int

from jcl.data.rows import Rows
from jcl.data.source import Source
from jcl.errors import UserError


@dataclasses.dataclass(frozen=True)
class AllLabelled(Rows):
    """See `jcl.data.Source`; an example without a label is an error where it is read."""

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices`.

        Raises:
            UserError: one of them has no label.
        """
        examples = super().batch(indices)
        missing = examples["label"] < 0
        if missing.any():
            raise UserError(
                f"example {self.rows[indices][missing.argmax()]} of the training split has no "
                "label (-1), but the method needs one of every example: leave such examples out, "
                "or take a method without labels"
            )
        return examples


def all_labelled(source: Source) -> Source:
    """A source of examples with the key `label`, for a method that needs all labels.

    A source that knows its labels without reading files is returned as it is: for those,
    `DatasetShape.unlabelled` finds missing labels before training.
    """
    if getattr(source, "known_labels", None) is not None:
        return source
    return AllLabelled(source, np.arange(len(source)))
