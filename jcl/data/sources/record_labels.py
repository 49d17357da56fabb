"""Labels of prepared TFDS datasets that are not declared as classes: numbers, or texts."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm
from jaxtyping import Int32, Integer, Shaped

from jcl.data.source import Source
from jcl.data.sources.labels import Classes, read_classes
from jcl.data.sources.records import RecordSource

_CHUNK = 1000  # records that are read at a time


@dataclasses.dataclass(frozen=True)
class WithLabels:
    """A split together with its labels: see `jcl.data.source.Source`.

    Attributes:
        whole: the split, without labels.
        known_labels: of each example, -1 for an example without one.
        n_classes: of these labels.
        class_names: their names, or None.
    """

    whole: Source
    known_labels: Int32[np.ndarray, " n"]
    n_classes: int
    class_names: tuple[str, ...] | None

    @property
    def image_shape(self):
        """That of the whole."""
        return self.whole.image_shape

    @property
    def in_memory(self):
        """Whether reading is a plain array lookup."""
        return self.whole.in_memory

    def __len__(self) -> int:
        return len(self.whole)

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices`."""
        return {**self.whole.batch(indices), "label": self.known_labels[indices]}

    def texts(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        """Only the text, if it is strings."""
        return self.whole.texts(indices)


def read_record_classes(source: RecordSource, key: str, lengths: dict[str, int]) -> Classes:
    """Reads the labels of all examples, which takes as long as reading the files.

    Args:
        source: one split of the dataset.
        key: the feature, one number or text per example.
        lengths: of all splits that must have the same classes, by TFDS's name.

    Raises:
        UserError: labels that are not classes, or damaged files.
    """
    given = {
        split: _read(dataclasses.replace(source, split=split, length=length), key)
        for split, length in lengths.items()
    }
    return read_classes(f"data.label_key={key!r} of {source.folder}", given)


def _read(source: RecordSource, key: str) -> Shaped[np.ndarray, " n"]:
    starts: Sequence[int] = range(0, len(source), _CHUNK)
    bar = {"desc": f"Labels of {source.split}", "disable": not sys.stderr.isatty()}
    found = [
        _value(example[key])
        for start in tqdm.tqdm(starts, **bar)
        for example in source.read(np.arange(start, min(start + _CHUNK, len(source))))
    ]
    return np.array(found)


def _value(feature: Any) -> int | float | bytes:
    if feature.bytes_list.value:
        return feature.bytes_list.value[0]
    return (feature.int64_list.value or feature.float_list.value)[0]
