"""What a dataset split is to the rest of the program: a length, and batches by index."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer


@runtime_checkable
class Source(Protocol):
    """One split of a dataset with random access, a whole batch at a time.

    Attributes:
        image_shape: (H, W, C) of every image, or None where examples are feature vectors.
        n_classes: number of classes of `label`, or None where there are no labels.
        in_memory: True where `batch` is a plain array lookup, which needs no worker processes.
    """

    image_shape: tuple[int, int, int] | None
    n_classes: int | None
    in_memory: bool

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads the examples at `indices`, in that order.

        Returns:
            "image" uint8 [b, H, W, C] or "features" float32 [b, F]; and, where the dataset has
            them, "label" int32 [b] and "target" float32 [b].
        """
        ...


@dataclasses.dataclass(frozen=True)
class InMemorySource:
    """A split whose examples are the rows of arrays: see `Source` for keys and dtypes."""

    arrays: Mapping[str, np.ndarray]
    n_classes: int | None = None
    class_names: tuple[str, ...] | None = None
    in_memory: bool = dataclasses.field(default=True, init=False)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(H, W, C), or None where the arrays hold features."""
        return self.arrays["image"].shape[1:] if "image" in self.arrays else None

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Copies the rows at `indices` of every array."""
        return {key: array[indices] for key, array in self.arrays.items()}
