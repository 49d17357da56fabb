"""Sources with several images or captions per example, as sources with one, for evaluation."""

import dataclasses

import numpy as np
from jaxtyping import Int

from jcl.data.rows import Rows
from jcl.data.source import InMemorySource, Source
from jcl.data.text.tokenised import Tokenised

_PART = 1000  # examples that are read at a time

# The example that a row comes from, and the number of the image or caption within the example.
ROW, PLACE = "row", "place"
# Rows with the same number form pairs: those of one example, unless the data has a `pair`.
PAIR = "pair"


@dataclasses.dataclass(frozen=True)
class EveryImage(Rows):
    """See `jcl.data.Source`; every image counts as an example, with its first caption.

    Attributes:
        rows: integers [m], rising positions in the whole.
        places: integers [m], the number of the image within its example.
    """

    places: Int[np.ndarray, " m"]

    def batch(self, indices: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads images, and also `row`, `place` and `pair`, int32 [b] each."""
        found = dict(super().batch(indices))
        if found.pop("image_mask", None) is not None:
            found["image"] = found["image"][np.arange(len(indices)), self.places[indices]]
        if "text" in found and found["text"].ndim == 3:
            found |= {key: found[key][:, 0] for key in ("text", "text_mask") if key in found}
        row = self.rows[indices].astype(np.int32)
        return {PAIR: row, **found, ROW: row, PLACE: self.places[indices].astype(np.int32)}


def every_image(source: Source) -> Source:
    """The source with every image as an example of its own.

    If examples have several images, all examples are read once, to find the images that exist.

    Returns:
        An `EveryImage`; or the source itself, if its examples have one image and at most one
        caption.
    """
    example = source.batch(np.arange(1))
    if "image_mask" in example:
        masks = [source.batch(part)["image_mask"] for part in _parts(source)]
        return EveryImage(source, *np.nonzero(np.concatenate(masks)))
    if "text" in example and example["text"].ndim == 3:
        rows = np.arange(len(source))
        return EveryImage(source, rows, np.zeros_like(rows))
    return source


def every_caption(source: Source) -> InMemorySource:
    """All captions of a split, without images.

    Args:
        source: a source whose texts are token ids. If these were made from strings, and the data
            has no `pair`, images are not read.

    Returns:
        `text` and `text_mask` [m, L], and `row`, `place` and `pair`, int32 [m] each.
    """
    parts = []
    for rows in _parts(source):
        ids, mask, pair = _tokens(source, rows)
        if ids.ndim == 2:
            ids, mask = ids[:, None], mask[:, None]
        example, place = np.nonzero(mask.any(-1))
        chosen = ids[example, place], mask[example, place]
        parts.append((*chosen, rows[example], place, pair[example]))
    names = ("text", "text_mask", ROW, PLACE, PAIR)
    arrays = map(np.concatenate, zip(*parts, strict=True))
    found = dict(zip(names, arrays, strict=True))
    return InMemorySource(found | {key: found[key].astype(np.int32) for key in names[2:]})


def _tokens(source: Source, rows: Int[np.ndarray, " b"]):
    """Token ids and masks [b, L] or [b, K, L] of examples, and the `pair` of each."""
    if isinstance(source, Tokenised) and PAIR not in source.batch(np.arange(1)):
        tokens = source.tokenizer.encode(source.texts(rows), source.length)
        return tokens.ids, tokens.mask, rows
    found = source.batch(rows)
    mask = found.get("text_mask", np.ones(found["text"].shape, bool)).astype(bool)
    return found["text"], mask, found.get(PAIR, rows)


def _parts(source: Source) -> list[Int[np.ndarray, " b"]]:
    rows = np.arange(len(source))
    return np.array_split(rows, -(-len(rows) // _PART))
