"""What networks say of pairs: whether images and texts find each other, and which pairs are bad."""

import functools

import jax
import numpy as np
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.evaluation.encode import FEATURE_BATCH, output_function, output_names
from jcl.methods.base import Method, Variables
from jcl.probes.extract import Features, extract
from jcl.probes.planted import planted_recall
from jcl.probes.retrieval import retrieval
from jcl.probes.unit import unit

# What the loss of two towers compares; the first is also that of one tower's two views.
OUTPUTS = ("projection", "text/projection")


def score_pairs(
    config: ConfigDict, method: Method, variables: Variables, train: Source, test: Source
) -> dict[str, dict]:
    """Scores of pairs of an image and a text, or of an image and its `partner`.

    Rows with the same `pair` show the same image, of which the first one's is taken, and describe
    it: several captions of an image. Without that, every row is an image and its one caption.

    Args:
        config: of the run.
        method: of the run.
        variables: of a checkpoint.
        train: the training split; where it has `planted`, bad pairs are looked for in it.
        test: the split that is retrieved.

    Returns:
        "retrieval" (`jcl.probes.retrieval`) where the method has both `OUTPUTS` of test examples;
        "planted" (`jcl.probes.planted`) where some training pairs are planted.
    """
    scores = {}
    embed = functools.partial(_embed, config, method, variables)
    if {*OUTPUTS} <= output_names(config, method, variables, test):
        images, texts = (embed(test, name) for name in OUTPUTS)
        pair = images.known.get("pair", np.arange(len(images.features)))
        _, first, described = np.unique(pair, return_index=True, return_inverse=True)
        scores["retrieval"] = retrieval(images.features[first], texts.features, described)
    if "planted" not in (example := train.batch(np.arange(1))):
        return scores
    names = output_names(config, method, variables, train)
    if "partner" in example and OUTPUTS[0] in names:
        sides = embed(train, OUTPUTS[0]), embed(train, OUTPUTS[0], kind="partner")
    elif {*OUTPUTS} <= names:
        sides = embed(train, OUTPUTS[0]), embed(train, OUTPUTS[1])
    else:
        return scores
    planted = sides[0].known["planted"]
    if np.any(planted):
        left, right = (unit(side.features) for side in sides)
        scores["planted"] = planted_recall(np.sum(left * right, axis=1), planted)
    return scores


def _embed(
    config: ConfigDict,
    method: Method,
    variables: Variables,
    source: Source,
    name: str,
    kind: str = "image",
) -> Features:
    """An output of all examples, with what stands under `kind` as their image."""
    output = jax.jit(output_function(config, method, name))

    def apply(examples):
        return output(variables, {**examples, "image": examples[kind]})

    batch_size = min(FEATURE_BATCH, len(source))
    return extract(apply, source, batch_size=batch_size, description=name)
