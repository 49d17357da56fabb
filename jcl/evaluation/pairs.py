"""What networks say of pairs: whether images and texts find each other, and which pairs are bad."""

import functools

import jax
import numpy as np
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.evaluation.encode import FEATURE_BATCH, evaluation_inputs, output_function
from jcl.experiment import image_dtype
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
    if _has(config, method, variables, test, OUTPUTS):
        images, texts = (embed(test, name) for name in OUTPUTS)
        pair = images.known.get("pair", np.arange(len(images.features)))
        _, first, described = np.unique(pair, return_index=True, return_inverse=True)
        scores["retrieval"] = retrieval(images.features[first], texts.features, described)
    if "planted" not in (example := train.batch(np.arange(1))):
        return scores
    if "partner" in example and _has(config, method, variables, train, OUTPUTS[:1]):
        sides = embed(train, OUTPUTS[0]), embed(train, OUTPUTS[0], kind="partner")
    elif _has(config, method, variables, train, OUTPUTS):
        sides = embed(train, OUTPUTS[0]), embed(train, OUTPUTS[1])
    else:
        return scores
    planted = sides[0].known["planted"]
    if np.any(planted):
        left, right = (unit(side.features) for side in sides)
        scores["planted"] = planted_recall(np.sum(left * right, axis=1), planted)
    return scores


def _has(
    config: ConfigDict,
    method: Method,
    variables: Variables,
    source: Source,
    names: tuple[str, ...],
) -> bool:
    """Whether the method has all these outputs of such examples, of which it needs images."""
    examples = source.batch(np.arange(1))
    if "image" not in examples or ("text" not in examples and len(names) > 1):
        return False
    size, dtype = config.views.get("size"), image_dtype(config)

    def outputs(examples):
        return method.outputs(variables, evaluation_inputs(examples, size, dtype))

    return {*names} <= jax.eval_shape(outputs, examples).keys()


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
