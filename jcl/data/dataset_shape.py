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
        example: shape and dtype of everything that one example has, such as image [H, W, C] or
            features [F], label [], target []; without its index.
        examples: how many there are.
        n_classes: of `label`, or None where there is none.
    """

    example: Mapping[str, jax.ShapeDtypeStruct]
    examples: int
    n_classes: int | None

    @property
    def inputs(self) -> jax.ShapeDtypeStruct:
        """What networks are given of one example."""
        return inputs_of(self.example)

    def batch(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """A global batch of that many examples, with their `index`."""
        row = {**self.example, "index": jax.ShapeDtypeStruct((), np.int32)}
        return {
            key: jax.ShapeDtypeStruct((batch_size, *value.shape), value.dtype)
            for key, value in row.items()
        }


def inputs_of(batch: Mapping):
    """Takes the images of a batch, or its feature vectors where it has none."""
    return batch["image"] if "image" in batch else batch["features"]


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
