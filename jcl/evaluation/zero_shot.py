"""Zero-shot classification by the names of classes, for methods of two towers."""

import functools
from collections.abc import Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from jcl.data import InMemorySource, Source
from jcl.data.text.tokenised import Tokenised
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.evaluation.pairs import OUTPUTS
from jcl.methods.base import Method, Variables
from jcl.probes.extract import Features, extract
from jcl.probes.zero_shot import zero_shot_top1


def score_zero_shot(
    config: ConfigDict, method: Method, variables: Variables, test: Source, images: Features
) -> dict[str, float] | None:
    """The share of images whose class is the one whose name is nearest.

    Args:
        config: of the run; the class names are put into the sentences `probe.templates`.
        method: of the run.
        variables: of a checkpoint.
        test: the split, whose texts were strings.
        images: embeddings of all its images, with their `label`.

    Returns:
        As `jcl.probes.zero_shot`; None if images have no label, classes have no names, or texts are
        token ids in the dataset, so that no tokenizer is known.
    """
    names = getattr(test, "class_names", None)
    if not isinstance(test, Tokenised) or images.label is None or names is None:
        return None
    texts = class_texts(names, config.probe.templates)
    tokens = test.tokenizer.encode(texts, test.length)
    output = jax.jit(output_function(config, method, OUTPUTS[1]))
    flat = {"text": tokens.ids, "text_mask": tokens.mask}
    flat = {key: x.reshape(-1, x.shape[-1]) for key, x in flat.items()}
    embedded = extract(
        functools.partial(output, variables),
        InMemorySource(flat),
        batch_size=min(FEATURE_BATCH, texts.size),
        description="names of classes",
    )
    of_classes = embedded.features.reshape(*texts.shape, -1)
    return zero_shot_top1(images.features, images.label, of_classes)


def class_texts(names: Sequence[str], templates: Sequence[str]) -> np.ndarray:
    """Strings [C, T]: the name of each class in each template, with _ as a space."""
    return np.array(
        [[t.replace("{}", name.replace("_", " ")) for t in templates] for name in names]
    )
