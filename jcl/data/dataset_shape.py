"""What a run has to know of its dataset before it reads an example: shapes, sizes, classes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Integer, Shaped

from jcl.data.source import Source

_PART = 1024  # examples that are read at a time, for one thing that is known of them


@dataclasses.dataclass(frozen=True)
class DatasetShape:
    """The training split of a dataset, without its values.

    Attributes:
        example: shape and dtype of everything that one example has, such as image [H, W, C],
            features [F], label [], target []; without its index.
        examples: how many there are.
        n_classes: of `label`, or None where there is none.
        unlabelled: how many examples have the label -1, which stands for none, where the source
            knows that without reading them; else 0.
        read_groups: reads the `group` of every example, integers [n], which may take as long as
            reading the split; None where examples have none.
        vocabulary: how many token ids the tokenizer of its texts has; None where there is none.
    """

    example: Mapping[str, jax.ShapeDtypeStruct]
    examples: int
    n_classes: int | None
    read_groups: Callable[[], Integer[np.ndarray, " n"]] | None = None
    unlabelled: int = 0
    vocabulary: int | None = None

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
    read = functools.partial(read_known, source, "group") if "group" in example else None
    labels = getattr(source, "known_labels", None)
    unlabelled = 0 if labels is None else int((labels < 0).sum())
    tokenizer = getattr(source, "tokenizer", None)
    vocabulary = None if tokenizer is None else tokenizer.size
    return DatasetShape(example, len(source), source.n_classes, read, unlabelled, vocabulary)


def read_known(source: Source, key: str) -> Shaped[np.ndarray, "n ..."]:
    """What every example of a split has under that key; it may take as long as reading them all."""
    parts = np.array_split(np.arange(len(source)), -(-len(source) // _PART))
    return np.concatenate([source.batch(rows)[key] for rows in parts])


def images_of(
    *image_shape: int, examples: int, n_classes: int = 1000, text_length: int | None = None
) -> DatasetShape:
    """Stands in for a dataset that is not at hand: images [H, W, C] with label and target.

    Args:
        *image_shape: (H, W, C).
        examples: how many there are.
        n_classes: of the label.
        text_length: of a text of each image, token ids; None: images have none.
    """
    example = {
        "image": jax.ShapeDtypeStruct(image_shape, np.uint8),
        "label": jax.ShapeDtypeStruct((), np.int32),
        "target": jax.ShapeDtypeStruct((), np.float32),
    }
    if text_length is not None:
        example["text"] = jax.ShapeDtypeStruct((text_length,), np.int32)
        example["text_mask"] = jax.ShapeDtypeStruct((text_length,), np.bool_)
    return DatasetShape(example, examples, n_classes)
