"""Scores of pairs: retrieval between images and texts, and detection of bad pairs."""

import functools
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.data.unrolled import PAIR, PLACE, ROW, every_caption, every_image
from jcl.evaluation.encode import FEATURE_BATCH, output_function, output_names
from jcl.methods.base import Method, Variables
from jcl.probes.across import recall_across, recall_within
from jcl.probes.extract import Features, extract
from jcl.probes.planted import planted_recall
from jcl.probes.retrieval import recall_at
from jcl.probes.unit import unit

# The outputs that the loss of two towers compares; with one tower, only the first one.
OUTPUTS = ("projection", "text/projection")


class EmbeddedPairs(NamedTuple):
    """Unit embeddings of a split, with further values of each row.

    Attributes:
        images: of every image; `known` has its `row` in the split, `place` among the images of its
            example, and `pair`.
        texts: of every caption, with the same keys.
    """

    images: Features
    texts: Features


def embed_pairs(
    config: ConfigDict, method: Method, variables: Variables, test: Source
) -> EmbeddedPairs | None:
    """Embeds every image and every caption of a split; None for methods without two towers.

    Rows with the same `pair` are several captions of one image; the image of the first row is used.
    Without `pair`, every example is a pair of its own.

    Args:
        config: of the run.
        method: of the run.
        variables: of a checkpoint.
        test: the split.
    """
    images = every_image(test)
    if not {*OUTPUTS} <= output_names(config, method, variables, images):
        return None
    found = embed_images(config, method, variables, images)
    texts = _embed(config, method, variables, every_caption(test), OUTPUTS[1])
    return EmbeddedPairs(found, texts)


def embed_images(
    config: ConfigDict, method: Method, variables: Variables, images: Source
) -> Features:
    """Embeds images; those with the same `pair` and `place` are embedded once."""
    found = _embed(config, method, variables, images, OUTPUTS[0])
    rows = np.arange(len(found.features), dtype=np.int32)
    known = {ROW: rows, PAIR: rows, PLACE: np.zeros_like(rows), **found.known}
    _, first = np.unique(np.stack([known[PAIR], known[PLACE]]), axis=1, return_index=True)
    first = np.sort(first)
    return Features(found.features[first], {key: x[first] for key, x in known.items()})


def score_retrieval(pairs: EmbeddedPairs) -> dict[str, dict[str, float]]:
    """Recall@1, 5 and 10 of images and texts of a split, over all of it.

    Returns:
        "image_to_text": recall of an image's texts among all texts. "text_to_image": recall of a
        text's image among all images. If examples have several images, such as drawings in several
        styles, the latter is among the images of one place, averaged over places. There is then
        also "image_to_image": recall of the same example's image among all images of another
        place, averaged over pairs of places.
    """
    images, texts = pairs
    ids, text_ids, place = images.known[PAIR], texts.known[PAIR], images.known[PLACE]
    scores = {
        "image_to_text": recall_at(images.features, texts.features, ids, text_ids),
        "text_to_image": recall_within(texts.features, images.features, text_ids, ids, place),
    }
    if len(np.unique(place)) > 1:
        scores["image_to_image"] = recall_across(images.features, ids, place)
    return scores


def score_planted(
    config: ConfigDict, method: Method, variables: Variables, train: Source
) -> dict[str, float] | None:
    """The share of planted pairs among the pairs with the smallest cosines (`jcl.probes.planted`).

    Args:
        config: of the run.
        method: of the run.
        variables: of a checkpoint.
        train: the training split: pairs of an image and a text, or of an image and its `partner`.

    Returns:
        None if no training pair is planted, or the method compares no pairs.
    """
    if "planted" not in (example := train.batch(np.arange(1))):
        return None
    embed = functools.partial(_embed, config, method, variables, train)
    names = output_names(config, method, variables, train)
    if "partner" in example and OUTPUTS[0] in names:
        sides = embed(OUTPUTS[0]), embed(OUTPUTS[0], image="partner")
    elif {*OUTPUTS} <= names:
        sides = embed(OUTPUTS[0]), embed(OUTPUTS[1])
    else:
        return None
    planted = sides[0].known["planted"]
    if not np.any(planted):
        return None
    left, right = (unit(side.features) for side in sides)
    return planted_recall(np.sum(left * right, axis=1), planted)


def _embed(
    config: ConfigDict,
    method: Method,
    variables: Variables,
    source: Source,
    name: str,
    image: str = "image",
) -> Features:
    """An output for all examples, with the value under the given key as their image."""
    output = jax.jit(output_function(config, method, name))

    def apply(examples):
        shown = {"image": examples[image]} if image in examples else {}
        return output(variables, {**examples, **shown})

    batch_size = min(FEATURE_BATCH, len(source))
    return extract(apply, source, batch_size=batch_size, description=name)
