"""Features of a whole dataset, in its order."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Shaped, UInt8, UInt16
from tqdm import tqdm

from jcl.data.source import InMemorySource, Source
from jcl.errors import UserError

THUMBNAIL = 32  # pixels per side


# Keys of examples that hold more than one number: multi-hot classes, a path in a tree.
_KNOWN_VECTORS = ("labels", "path")


class Features(NamedTuple):
    """Rows in dataset order, with the values of their examples that are not network inputs.

    These are all single numbers, such as label, target, weight or planted, [n] each, and labels
    [n, C] and path [n, depth].
    """

    features: Float[np.ndarray, "n D"]
    known: Mapping[str, Shaped[np.ndarray, "n ..."]]

    @property
    def label(self) -> Int[np.ndarray, " n"] | None:
        """The class of each row, if every row has one."""
        label = self.known.get("label")
        return None if label is None or (label < 0).any() else label

    @property
    def target(self) -> Float[np.ndarray, " n"] | None:
        """The target of each row, if there are targets."""
        return self.known.get("target")

    def labelled(self) -> "Features":
        """The rows that have a class, for probes of classes: -1 means no class."""
        label = self.known.get("label")
        if label is None or (label >= 0).all():
            return self
        rows = label >= 0
        known = {key: values[rows] for key, values in self.known.items()}
        return Features(self.features[rows], known if rows.any() else {})


def extract(
    apply: Callable[[dict[str, np.ndarray]], Float[Array | np.ndarray, "b D"]],
    images: Source | UInt8[Array | np.ndarray, "n H W C"],
    *,
    batch_size: int,
    description: str = "features",
) -> Features:
    """Features of every example, by a frozen encoder.

    Every call of `apply` gets exactly `batch_size` examples, so it compiles once: the last batch is
    filled up with repetitions of the last example, whose features are dropped. `apply` must treat
    rows independently, as BatchNorm in inference mode does.

    Args:
        apply: examples of the source, kind -> [b, ...] -> float [b, D]; jitted, with its parameters
            closed over.
        images: a `Source`, or images, uint8 [n, H, W, C].
        batch_size: images per call.
        description: label of the progress bar, which is shown only on a terminal.

    Returns:
        `Features`: float32 [n, D], and the other values of the source, unchanged.

    Raises:
        UserError: no images, a batch_size below 1, or an `apply` that does not return [b, D].
    """
    table = _Table()
    running = None  # the batch on the device, while the host loads the next one
    for batch, n_real, n in _batches(images, batch_size, description):
        features = apply(batch)
        if np.ndim(features) != 2 or np.shape(features)[0] != batch_size:
            raise UserError(
                f"apply must return features [{batch_size}, D], not {np.shape(features)}."
            )
        if running is not None:
            table.append(*running)
        running = features, batch, n_real, n
    table.append(*running)
    return table.finish()


def raw_inputs(
    source: Source | UInt8[Array | np.ndarray, "n H W C"], *, batch_size: int = 256
) -> Features:
    """The inputs as features: the baseline without an encoder.

    For images these are raw pixels, float32 [n, H W C] in [0, 1]. Images with a side of more than
    `THUMBNAIL` pixels are first shrunk to this size (linear, antialiased), because whole
    photographs would fill the memory. Feature vectors are returned unchanged, float32 [n, F].

    Raises:
        UserError: no examples.
    """
    table = _Table()
    for batch, n_real, n in _batches(source, batch_size, "raw inputs"):
        inputs = _pixels(batch["image"]) if "image" in batch else batch["features"]
        table.append(inputs, batch, n_real, n)
    return table.finish()


def check_export(path: Path) -> None:
    """Raises UserError if features cannot be saved to this file; makes its folder."""
    if path.suffix != ".npz":
        raise UserError(f"Features are saved to a file that ends in .npz, not {path}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with open(path, "ab"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        raise UserError(f"Features cannot be saved to {path}: {error.strerror}.") from error


def save_features(path: str | os.PathLike, train: Features, test: Features | None) -> None:
    """Writes the features of both splits to an .npz file that `data.name=arrays:PATH.npz` reads.

    Its keys are train_features, train_label and so on for all values of the examples, and the same
    with test_.

    Raises:
        UserError: path does not end in .npz, or cannot be written.
    """
    path = Path(path)
    check_export(path)
    arrays = {
        f"{split}_{name}": array
        for split, features in (("train", train), ("test", test))
        if features is not None
        for name, array in {**features.known, "features": features.features}.items()
    }
    np.savez(path, **arrays)


def _pixels(
    images: UInt8[np.ndarray, "b H W C"] | UInt16[np.ndarray, "b H W C"],
) -> Float[Array | np.ndarray, "b D"]:
    images = images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)
    _, height, width, channels = images.shape
    if max(height, width) > THUMBNAIL:
        small = (len(images), min(height, THUMBNAIL), min(width, THUMBNAIL), channels)
        images = jax.image.resize(images, small, "linear")
    return images.reshape(len(images), -1)


def _batches(images, batch_size: int, description: str) -> Iterator[tuple[dict, int, int]]:
    """Batches of `batch_size` rows in dataset order, their number of real rows, and the total."""
    source = images
    if isinstance(images, np.ndarray | jax.Array):
        source = InMemorySource({"image": np.asarray(images)})
    n = len(source)
    if n == 0:
        raise UserError("There are no examples to extract features from.")
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, not {batch_size}.")

    def read(start):
        return source.batch(np.minimum(np.arange(start, start + batch_size), n - 1))

    starts = range(0, n, batch_size)
    read_all = map if source.in_memory else _map_in_threads
    progress = tqdm(starts, desc=description, unit="batch", disable=not sys.stderr.isatty())
    for start, batch in zip(progress, read_all(read, starts), strict=True):
        yield batch, min(batch_size, n - start), n


def _map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """The results in order, computed a few ahead; image decoding releases Python's lock."""
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class _Table:
    """Rows collected batch by batch, into arrays that are allocated once."""

    def __init__(self):
        self._arrays: dict[str, np.ndarray] = {}
        self._filled = 0

    def append(self, features, batch: dict, n_real: int, n: int) -> None:
        end = self._filled + n_real
        known = {k: v for k, v in batch.items() if np.ndim(v) == 1 or k in _KNOWN_VECTORS}
        for key, values in (known | {"features": np.asarray(features, np.float32)}).items():
            if key not in self._arrays:
                self._arrays[key] = np.empty((n, *values.shape[1:]), values.dtype)
            self._arrays[key][self._filled : end] = values[:n_real]
        self._filled = end

    def finish(self) -> Features:
        return Features(self._arrays.pop("features"), self._arrays)
