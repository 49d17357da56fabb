"""What a dataset split is to the rest of the program: a length, and batches by index."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer

from jcl.errors import UserError

_MEMBERS = ("image_shape", "n_classes", "in_memory", "batch", "__len__")


class MissingSplit(UserError):
    """A dataset that can be read has no split of that name."""


@runtime_checkable
class Source(Protocol):
    """One split of a dataset with random access, a whole batch at a time.

    Attributes:
        image_shape: (H, W, C) of every image, or None where examples are feature vectors or texts.
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
            "image" uint8 or uint16 [b, H, W, C] or "features" float32 [b, F] or "text"; and, where
            the dataset has them, "label" int32 [b], -1 where an example has none, and "target"
            float32 [b]. Of images, 0 is black, and 255 or 65535 is white. "text" is token ids
            int32 [b, L], with "text_mask" bool [b, L], or strings [b], in whose place a run puts
            token ids (`jcl.data.text.tokenised`). Where examples have several texts, these are
            [b, K, L] or strings [b, K], and "" fills up where there are fewer.
            Where an example has S images of one thing, "image" is [b, S, H, W, C] and "image_mask"
            bool [b, S] says which there are.
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
        return self.arrays["image"].shape[-3:] if "image" in self.arrays else None

    @property
    def known_labels(self) -> np.ndarray | None:
        """The label of every example, where there are any."""
        return self.arrays.get("label")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Copies the rows at `indices` of every array."""
        return {key: array[indices] for key, array in self.arrays.items()}

    def texts(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        """The text alone, where it is strings."""
        return self.arrays["text"][indices]


def check_source(name: str, source: Any) -> None:
    """Raises UserError where what a user's function returned is no source, by its first example.

    Args:
        name: of the function, for messages.
        source: what it returned. A source that is not in memory is sent to worker processes, so it
            must be picklable.
    """
    if not isinstance(source, Source):
        missing = [member for member in _MEMBERS if not hasattr(source, member)]
        raise UserError(
            f"data.name={name!r} returned a {type(source).__name__}, but it must return a "
            f"jcl.data.Source, and this has no {', '.join(missing)}"
        )
    _check_first_example(name, source)


def check_image_size(
    name: str, image_size: int | None, image_shape: tuple[int, int, int] | None
) -> None:
    """Raises UserError where images that are taken as they are have another size than asked.

    Args:
        name: of the dataset, for messages.
        image_size: as asked; None asks for nothing.
        image_shape: (H, W, C) of the images; None of features.
    """
    if image_size is None or (image_shape and image_shape[:2] == (image_size, image_size)):
        return
    holds = f"{image_shape[0]}x{image_shape[1]} images" if image_shape else "features"
    raise UserError(
        f"data.image_size={image_size} is given, but data.name={name!r} holds {holds}, which are "
        "taken as they are: leave data.image_size unset"
    )


def _check_first_example(name: str, source: Source) -> None:
    """Raises a UserError where an example has not the keys, shapes and dtypes that all must have.

    Floats in [0, 1] for bytes, say, would otherwise train without complaint, on black images.
    """
    example = source.batch(np.arange(1))
    if source.image_shape is None:
        wanted = {} if "text" in example else {"features": (np.float32, (None,))}
    else:
        deep = example.get("image", np.zeros(0)).dtype == np.uint16
        wanted = {"image": (np.uint16 if deep else np.uint8, tuple(source.image_shape))}
        if len(source.image_shape) != 3:
            raise UserError(
                f"data.name={name!r} has image_shape={source.image_shape}, but it is (H, W, C)"
            )
    wanted |= {"label": (np.int32, ())} if source.n_classes is not None else {}
    wanted |= {"target": (np.float32, ())} if "target" in example else {}
    for key, (dtype, shape) in wanted.items():
        value = example.get(key, np.zeros(0))
        fits = len(value.shape) == 1 + len(shape) and all(
            want is None or want == size
            for want, size in zip((1, *shape), value.shape, strict=True)
        )
        if value.dtype != dtype or not fits:
            sizes = ", ".join("n" if size is None else str(size) for size in (1, *shape))
            found = f"{value.dtype} {list(value.shape)}" if key in example else "nothing"
            raise UserError(
                f"data.name={name!r} gives {found} as {key!r} of one example, "
                f"but it must be {np.dtype(dtype).name} [{sizes}]"
            )
