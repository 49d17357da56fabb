"""The interface of a dataset split: a length, and batches by index."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Integer

from jcl.errors import UserError

# Keys with information about an example, which are not inputs of networks.
KNOWN = ("label", "target", "labels", "weight", "group", "sts_pair", "sts_score")
_MEMBERS = ("image_shape", "n_classes", "in_memory", "batch", "__len__")


class MissingSplit(UserError):
    """The dataset can be read, but has no split of this name."""


@runtime_checkable
class Source(Protocol):
    """One split of a dataset with random access, a whole batch at a time.

    Attributes:
        image_shape: (H, W, C) of every image, or None if examples are feature vectors or texts.
        n_classes: number of classes of `label`, or None if there are no labels.
        in_memory: True if `batch` is a plain array lookup, which needs no worker processes.
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
            "image" uint8 or uint16 [b, H, W, C], or "features" float32 [b, F], or "text", or inputs
            of other names, such as "video". If the dataset has them, also "label" int32 [b], -1 for
            an example without one, and "target" float32 [b]. In images 0 is black, and 255 or 65535
            is white. "text" is token ids int32 [b, L] with "text_mask" bool [b, L], or strings [b],
            which a run replaces by token ids (`jcl.data.text.tokenised`). If examples have several
            texts, these are [b, K, L] or strings [b, K], filled up with "". If an example has S
            images of one thing, "image" is [b, S, H, W, C], and "image_mask" bool [b, S] is True
            for the images that exist.
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
        """(H, W, C), or None if the arrays hold features."""
        return self.arrays["image"].shape[-3:] if "image" in self.arrays else None

    @property
    def known_labels(self) -> np.ndarray | None:
        """The label of every example, if there are labels."""
        return self.arrays.get("label")

    @property
    def known_targets(self) -> np.ndarray | None:
        """The target of every example, if there are targets."""
        return self.arrays.get("target")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Copies the rows at `indices` of every array."""
        return {key: array[indices] for key, array in self.arrays.items()}

    def texts(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        """Only the text, if it is strings."""
        return self.arrays["text"][indices]


def check_source(name: str, source: Any) -> None:
    """Raises UserError if a user's function returned no valid source; reads the first example.

    Args:
        name: of the function, for messages.
        source: the return value. A source that is not in memory is sent to worker processes, so it
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
    """Raises UserError if images that are not resized have another size than `image_size`.

    Args:
        name: of the dataset, for messages.
        image_size: the requested size, or None.
        image_shape: (H, W, C) of the images; None for features.
    """
    if image_size is None or (image_shape and image_shape[:2] == (image_size, image_size)):
        return
    holds = f"{image_shape[0]}x{image_shape[1]} images" if image_shape else "features"
    raise UserError(
        f"data.image_size={image_size} is given, but data.name={name!r} holds {holds}, which are "
        "not resized: leave data.image_size unset"
    )


def _check_first_example(name: str, source: Source) -> None:
    """Raises a UserError if an example lacks the required keys, shapes and dtypes.

    Without this check, floats in [0, 1] instead of bytes, for example, would train on black images.
    """
    example = source.batch(np.arange(1))
    if source.image_shape is None:
        others = example.keys() - {"features", *KNOWN}  # such as text or video, of any form
        wanted = {"features": (np.float32, (None,))} if "features" in example or not others else {}
    else:
        deep = example.get("image", np.zeros(0)).dtype == np.uint16
        several = (None,) if "image_mask" in example else ()
        shape = *several, *source.image_shape
        wanted = {"image": (np.uint16 if deep else np.uint8, shape)}
        wanted |= {"image_mask": (np.bool_, several)} if several else {}
        if len(source.image_shape) != 3:
            raise UserError(
                f"data.name={name!r} has image_shape={source.image_shape}, but it must be (H, W, C)"
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
