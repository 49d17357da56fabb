"""Shapes, sizes and classes of a dataset, which a run needs before it reads an example."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Integer, Shaped

from jcl.data.source import Source

_PART = 1024  # examples that are read at a time for one key


@dataclasses.dataclass(frozen=True)
class DatasetShape:
    """The training split of a dataset, without its values.

    Attributes:
        example: shape and dtype of every value of an example, such as image [H, W, C], features
            [F], label [], target []; without its index.
        examples: number of examples.
        n_classes: number of classes of `label`, or None without labels.
        unlabelled: number of examples with the label -1, which means no label, if the source knows
            it without reading them; otherwise 0.
        constant: keys among "label" and "target" that have one value in all examples, as far as the
            source knows them without reading.
        read_groups: reads the `group` of every example, integers [n], which may take as long as
            reading the split; None if examples have no group.
        vocabulary: number of token ids of the tokenizer of its texts; None without a tokenizer.
    """

    example: Mapping[str, jax.ShapeDtypeStruct]
    examples: int
    n_classes: int | None
    read_groups: Callable[[], Integer[np.ndarray, " n"]] | None = None
    unlabelled: int = 0
    constant: tuple[str, ...] = ()
    vocabulary: int | None = None

    def batch(self, batch_size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and dtypes of a global batch of this size, with the `index` of examples."""
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
    known = {key: getattr(source, f"known_{key}s", None) for key in ("label", "target")}
    unlabelled = 0 if known["label"] is None else int((known["label"] < 0).sum())
    constant = tuple(
        key for key, values in known.items() if values is not None and np.ptp(values) == 0
    )
    tokenizer = getattr(source, "tokenizer", None)
    vocabulary = None if tokenizer is None else tokenizer.size
    return DatasetShape(
        example, len(source), source.n_classes, read, unlabelled, constant, vocabulary
    )


def read_known(source: Source, key: str) -> Shaped[np.ndarray, "n ..."]:
    """The values of all examples under one key; it may take as long as reading the split."""
    parts = np.array_split(np.arange(len(source)), -(-len(source) // _PART))
    return np.concatenate([source.batch(rows)[key] for rows in parts])


def images_of(
    *image_shape: int, examples: int, n_classes: int = 1000, text_length: int | None = None
) -> DatasetShape:
    """Replaces a dataset that is not available: images [H, W, C] with label and target.

    Args:
        *image_shape: (H, W, C).
        examples: number of examples.
        n_classes: number of classes of the label.
        text_length: number of token ids of each image's text; None for images without texts.
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
