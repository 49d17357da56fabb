"""A map of features as a workdir keeps it: positions, what is known of each, and small pictures."""

import io
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Num
from PIL import Image

from jcl.probes.plots import Map, drawable, eight_bits
from jcl.runtime.folder import Folder
from jcl.runtime.workdir import write_atomically

MAP = "map.json"
SPRITE = "thumbnails.jpg"
THUMBNAIL = 32  # pixels a side: two blocks of JPEG's colours, so that no thumbnail touches the next
PER_ROW = 32  # thumbnails


class KeptMap(NamedTuple):
    """What `write_map` wrote.

    Attributes:
        rows: of the split, [p].
        position: (x, y) of each, [p].
        label: of each its class, or None.
        target: of each its continuous target, or None where it is not finite; or None.
        class_names: by label, or None.
        thumbnail: pixels a side of the pictures in `SPRITE`, `PER_ROW` a row, in the order of
            `rows`; None where examples are no images.
    """

    rows: Sequence[int]
    position: Sequence[tuple[float, float]]
    label: Sequence[int] | None
    target: Sequence[float | None] | None
    class_names: Sequence[str] | None
    thumbnail: int | None


def write_map(
    folder: Folder,
    features: Map,
    *,
    label: Num[np.ndarray, " n"] | None = None,
    target: Num[np.ndarray, " n"] | None = None,
    class_names: Sequence[str] | None = None,
    images: Iterable[np.ndarray] | None = None,
) -> None:
    """Writes a map into a folder, for a page to show.

    Args:
        folder: gets map.json and, of images, thumbnails.jpg.
        features: `jcl.probes.tsne` of the features of n rows.
        label: integers [n].
        target: floats [n].
        class_names: by label.
        images: of the rows of the map, in their order, each [H, W, C], uint8, uint16 or floats
            in [0, 1].
    """
    remove_map(folder)
    if images is not None:
        encoded = io.BytesIO()
        sprite(images, len(features.rows)).save(encoded, "JPEG", quality=80)
        epath.Path(folder / SPRITE).write_bytes(encoded.getvalue())
    kept = KeptMap(
        rows=features.rows.tolist(),
        position=np.asarray(features.position, np.float64).round(4).tolist(),
        label=None if label is None else np.asarray(label)[features.rows].tolist(),
        target=None if target is None else _finite(np.asarray(target)[features.rows]),
        class_names=None if class_names is None else [str(name) for name in class_names],
        thumbnail=None if images is None else THUMBNAIL,
    )
    write_atomically(folder / MAP, json.dumps(kept._asdict()))


def read_map(folder: Folder) -> KeptMap | None:
    """Reads what `write_map` wrote; None where there is nothing.

    Raises:
        OSError: the file cannot be read.
        TypeError, ValueError: it is not what `write_map` writes.
    """
    path = folder / MAP
    if not path.exists():
        return None
    kept = KeptMap(**json.loads(path.read_text()))
    columns = [kept.position, kept.label, kept.target]
    if any(column is not None and len(column) != len(kept.rows) for column in columns):
        raise ValueError(f"{path} has columns of different lengths")
    return kept


def remove_map(folder: Folder) -> None:
    """Removes a map of an earlier evaluation, so that nobody takes it for the newest one's."""
    for name in (MAP, SPRITE):
        (folder / name).unlink(missing_ok=True)


def sprite(images: Iterable[np.ndarray], count: int) -> Image.Image:
    """One picture of many small ones, `PER_ROW` a row.

    Each keeps its proportions, in the middle of a grey square of `THUMBNAIL` pixels.

    Args:
        images: [H, W, C] each, uint8, uint16 or floats in [0, 1]; channels as
            `jcl.probes.plots.drawable` has them.
        count: how many there are.
    """
    size = THUMBNAIL * min(count, PER_ROW), THUMBNAIL * -(-count // PER_ROW)
    whole = Image.new("RGB", size, (128, 128, 128))
    for number, image in enumerate(images):
        small = Image.fromarray(eight_bits(drawable(image))).convert("RGB")
        scale = THUMBNAIL / max(small.size)
        width, height = (max(1, round(side * scale)) for side in small.size)
        small = small.resize((width, height), Image.Resampling.BOX)
        down, right = divmod(number, PER_ROW)
        left, top = (THUMBNAIL - width) // 2, (THUMBNAIL - height) // 2
        whole.paste(small, (THUMBNAIL * right + left, THUMBNAIL * down + top))
    return whole


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
