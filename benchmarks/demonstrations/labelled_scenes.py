"""`scenes` with a class for each set of shapes, for methods that take one class per example."""

import dataclasses

import numpy as np

from jcl.data import InMemorySource
from jcl.data.sources.scenes import scenes_source


def labelled_scenes(
    split: str, *, train_examples: int = 10_000, test_examples: int = 2_000
) -> InMemorySource:
    """`scenes` whose `label` is the number that its multi-hot `labels` are the bits of.

    Probes do not count it as a class, so they score what they score of `scenes`.

    Args:
        split: "train" or "test".
        train_examples: number of training examples to generate.
        test_examples: number of test examples to generate.
    """
    source = scenes_source(split, train_examples=train_examples, test_examples=test_examples)
    labels = source.arrays["labels"]
    label = labels.astype(np.int32) @ (1 << np.arange(labels.shape[1], dtype=np.int32))
    return dataclasses.replace(source, arrays={**source.arrays, "label": label})
