"""Features of a whole dataset, in its order."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Num, UInt8
from tqdm import tqdm

from jcl.data.source import InMemorySource, Source
from jcl.errors import UserError

THUMBNAIL = 32  # pixels on a side


class Features(NamedTuple):
    """Rows in dataset order, with the label and the target of each where there are any."""

    features: Float[np.ndarray, "n D"]
    label: Int[np.ndarray, " n"] | None
    target: Float[np.ndarray, " n"] | None


def extract(
    apply: Callable[[Num[np.ndarray, "b ..."]], Float[Array | np.ndarray, "b D"]],
    images: Source | UInt8[Array | np.ndarray, "n H W C"],
    *,
    batch_size: int,
    description: str = "features",
) -> Features:
    """Features of every image, by a frozen encoder.

    Every call of `apply` gets exactly `batch_size` images, so it compiles once: the last batch is
    filled up with repetitions of the last image, whose features are dropped. `apply` must treat
    rows independently, as BatchNorm in inference mode does.

    Args:
        apply: uint8 [b, H, W, C] -> float [b, D]; jitted, and closed over its parameters. Where
            the source holds feature vectors instead of images, float32 [b, F] -> float [b, D].
        images: a `Source`, or the images themselves, uint8 [n, H, W, C].
        batch_size: images a call.
        description: stands beside the progress bar, which shows on a terminal only.

    Returns:
        `Features`: float32 [n, D], and int32 labels and float32 targets [n] where the source has
        them.

    Raises:
        UserError: no images, a batch_size below 1, or an `apply` that does not return [b, D].
    """
    rows, labels, targets = [], [], []
    running = None  # the batch on the device, while the host loads the next one
    for batch, n_real in _batches(images, batch_size, description):
        features = apply(batch["image"] if "image" in batch else batch["features"])
        if np.ndim(features) != 2 or np.shape(features)[0] != batch_size:
            raise UserError(
                f"apply must return features [{batch_size}, D], not {np.shape(features)}."
            )
        if running is not None:
            rows.append(_to_host(*running))
        running = features, n_real
        labels.append(batch.get("label", np.empty(0))[:n_real])
        targets.append(batch.get("target", np.empty(0))[:n_real])
    rows.append(_to_host(*running))
    return _features(rows, labels, targets)


def pixels(
    images: Source | UInt8[Array | np.ndarray, "n H W C"], *, batch_size: int = 256
) -> Features:
    """Raw pixels as features: float32 [n, H W C] in [0, 1], the baseline without an encoder.

    Images with a side of more than `THUMBNAIL` pixels are first shrunk to that (linear,
    antialiased): of photographs, whole ones would fill any memory.

    Raises:
        UserError: no images, or a source of feature vectors.
    """
    rows, labels, targets = [], [], []
    for batch, n_real in _batches(images, batch_size, "pixels"):
        if "image" not in batch:
            raise UserError("Raw pixels are a baseline for images, and this dataset has none.")
        image = batch["image"][:n_real].astype(np.float32) / np.float32(255)
        n, height, width, channels = image.shape
        if max(height, width) > THUMBNAIL:
            small = (n, min(height, THUMBNAIL), min(width, THUMBNAIL), channels)
            image = np.asarray(jax.image.resize(image, small, "linear"))
        rows.append(image.reshape(n_real, -1))
        labels.append(batch.get("label", np.empty(0))[:n_real])
        targets.append(batch.get("target", np.empty(0))[:n_real])
    return _features(rows, labels, targets)


def save_features(path: str | os.PathLike, train: Features, test: Features) -> None:
    """Write both splits to an .npz file that `data.name=arrays:PATH.npz` reads.

    Its keys are train_features, train_label, train_target and the same with test_; a label or
    target that is None is left out.

    Raises:
        UserError: path does not end in .npz.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UserError(f"Features are saved to a file that ends in .npz, not {path}.")
    arrays = {
        f"{split}_{name}": array
        for split, features in (("train", train), ("test", test))
        for name, array in features._asdict().items()
        if array is not None
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def _batches(images, batch_size: int, description: str) -> Iterator[tuple[dict, int]]:
    """Batches of `batch_size` rows in dataset order, with the number of rows that are real."""
    source = images
    if isinstance(images, np.ndarray | jax.Array):
        source = InMemorySource({"image": np.asarray(images)})
    n = len(source)
    if n == 0:
        raise UserError("There are no images to extract features from.")
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, not {batch_size}.")
    starts = range(0, n, batch_size)
    for start in tqdm(starts, desc=description, unit="batch", disable=not sys.stderr.isatty()):
        indices = np.minimum(np.arange(start, start + batch_size), n - 1)
        yield source.batch(indices), min(batch_size, n - start)


def _to_host(features, n_real: int) -> Float[np.ndarray, "n D"]:
    return np.asarray(features)[:n_real].astype(np.float32)


def _features(rows, labels, targets) -> Features:
    label, target = np.concatenate(labels), np.concatenate(targets)
    features = np.concatenate(rows)
    return Features(
        features,
        label.astype(np.int32) if len(label) else None,
        target.astype(np.float32) if len(target) else None,
    )
