"""Writes images with captions as a TFDS dataset, which `jcl.data.sources.tfds` reads.

An example has one image and one caption. Or `image` is a sequence of S images, with `image_mask`
for the images that exist, and `text` is a sequence of K captions, filled up with "".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jcl.data.prepare.encoded import encode_png
from jcl.data.prepare.splits import Splits
from jcl.data.prepare.write import write_records


class Captioned(NamedTuple):
    """An example to be written.

    Attributes:
        image: a PNG or JPEG file.
        captions: at least one.
    """

    image: bytes
    captions: Sequence[str]


def write_captioned(
    splits: Mapping[str, tuple[int | None, Iterable[Captioned]]],
    *,
    captions: int,
    name: str,
    data_dir: str,
    version: str | None = None,
) -> Path:
    """Writes images of any size in RGB, with up to K captions each.

    Args:
        splits: for train and test, the number of examples (None if it is not known before they are
            read) and the examples.
        captions: K; an example may have fewer.
        name: of the dataset.
        data_dir: TFDS data directory.
        version: like 1.0.0, which is also the default.

    Returns:
        The folder of the dataset.

    Raises:
        UserError: as `jcl.data.prepare.write.write_records`.
    """
    import tensorflow_datasets as tfds

    def examples(given: Iterable[Captioned]) -> Iterator[dict]:
        for image, texts in given:
            padded = [*texts, *[""] * (captions - len(texts))]
            yield {"image": image, "text": padded if captions > 1 else padded[0]}

    return write_records(
        {split: (length, examples(given)) for split, (length, given) in splits.items()},
        {"image": tfds.features.Image(shape=(None, None, 3)), "text": _text(captions)},
        name=name,
        data_dir=data_dir,
        version=version,
    )


def write_drawings(
    splits: Splits,
    classes: Sequence[str],
    *,
    name: str,
    data_dir: str,
    version: str | None = None,
) -> Path:
    """Writes several images of each example; other arguments are those of `write_captioned`.

    Args:
        splits: for train and test, `image` uint8 [n, S, H, W, C], `image_mask` bool [n, S], `text`
            strings [n, K] and `label` int32 [n].
        classes: names of the labels.
        name: see there.
        data_dir: see there.
        version: see there.
    """
    import tensorflow_datasets as tfds

    _, images, *shape = splits["train"]["image"].shape
    captions = splits["train"]["text"].shape[1]

    def examples(arrays: dict[str, np.ndarray]) -> Iterator[dict]:
        for image, mask, text, label in zip(
            *(arrays[key] for key in ("image", "image_mask", "text", "label")), strict=True
        ):
            texts = list(map(str, text))
            yield {
                "image": [encode_png(one) for one in image],
                "image_mask": mask,
                "text": texts if captions > 1 else texts[0],
                "label": label,
            }

    return write_records(
        {split: (len(arrays["label"]), examples(arrays)) for split, arrays in splits.items()},
        {
            "image": tfds.features.Sequence(tfds.features.Image(shape=tuple(shape)), length=images),
            "image_mask": tfds.features.Tensor(shape=(images,), dtype=np.bool_),
            "text": _text(captions),
            "label": tfds.features.ClassLabel(names=list(classes)),
        },
        name=name,
        data_dir=data_dir,
        version=version,
    )


def _text(captions: int):
    import tensorflow_datasets as tfds

    text = tfds.features.Text()
    return tfds.features.Sequence(text, length=captions) if captions > 1 else text
