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


def all_labelled(source: Source) -> AllLabelled:
    """All examples of a source whose examples have the key `label`.

    Take this to train with labels. `DatasetShape.unlabelled` finds missing labels earlier, but only
    where the source knows its labels without reading its files.
    """
    return AllLabelled(source, np.arange(len(source)))
