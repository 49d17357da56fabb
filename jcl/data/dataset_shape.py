"""What a run has to know of its dataset before it reads an example: shapes, sizes, classes."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from jcl.data.source import Source


@dataclasses.dataclass(frozen=True)
class DatasetShape:
    """The training split of a dataset, without its values.

    Attributes:
        example: shape and dtype of everything that one example has, such as image [H, W, C],
            features [F], label [], target []; without its index.
        examples: how many there are.
        n_classes: of `label`, or None where there is none.
    """

    example: Mapping[str, jax.ShapeDtypeStruct]
    examples: int
    n_classes: int | None

    def batch(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """A global batch of that many examples, with their `index`."""
        row = {**self.example, "index": jax.ShapeDtypeStruct((), np.int32)}
        return {
            key: jax.ShapeDtypeStruct((batch_size, *value.shape), value.dtype)
            for key, value in row.items()
        }


def shape_of(source: Source) -> DatasetShape:
    """Looks at the first example of a split."""
    example = {
        key: jax.ShapeDtypeStruct(value.shape[1:], value.dtype)
        for key, value in source.batch(np.arange(1)).items()
    }
    return DatasetShape(example, len(source), source.n_classes)


def images_of(*image_shape: int, examples: int, n_classes: int = 1000) -> DatasetShape:
    """Stands in for images [H, W, C] with label and target, of a dataset that is not at hand."""
    example = {
        "image": jax.ShapeDtypeStruct(image_shape, np.uint8),
        "label": jax.ShapeDtypeStruct((), np.int32),
        "target": jax.ShapeDtypeStruct((), np.float32),
    }
    return DatasetShape(example, examples, n_classes)
