"""Decodes a split once, into memory."""

import sys

import numpy as np
import tqdm
from absl import logging

from jcl.data.source import InMemorySource, Source
from jcl.data.sources.labels import LABEL, has_labels

# A split whose decoded images take at most this many bytes is decoded once.
IN_MEMORY_BYTES = 2 * 2**30

_CHUNK = 100  # examples decoded between two ticks of the progress bar


def decode_all(source: Source, what: str) -> InMemorySource:
    """All examples of a source, decoded into memory.

    Args:
        source: reads its examples from files. The label -1 means no label. If all labels are -1, as
            in test splits with secret labels, the result has no labels.
        what: name of the examples for messages, such as "train of data/photos".
    """
    terminal = sys.stderr.isatty()
    if not terminal:
        logging.info("Decoding %s: %d images into memory", what, len(source))
    arrays: dict[str, np.ndarray] = {}
    strings: dict[str, list[np.ndarray]] = {}  # joined at the end, when the longest is known
    bar = {"desc": f"Decoding {what}", "unit": " images", "disable": not terminal}
    with tqdm.tqdm(total=len(source), **bar) as ticks:
        for start in range(0, len(source), _CHUNK):
            indices = np.arange(start, min(start + _CHUNK, len(source)))
            for key, part in source.batch(indices).items():
                if part.dtype.kind == "U":
                    strings.setdefault(key, []).append(part)
                    continue
                # Allocated at once: joining chunks at the end would take the memory twice.
                if key not in arrays:
                    arrays[key] = np.empty((len(source), *part.shape[1:]), part.dtype)
                arrays[key][indices] = part
            ticks.update(len(indices))
    arrays |= {key: np.concatenate(parts) for key, parts in strings.items()}
    if LABEL in arrays and not has_labels(what, arrays[LABEL]):
        del arrays[LABEL]
    names = getattr(source, "class_names", None)
    return InMemorySource(arrays, n_classes=source.n_classes, class_names=names)
