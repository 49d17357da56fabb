"""Scores that evaluation leaves out because data are missing, and the config keys that help."""

import dataclasses
from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict

from jcl.data import MissingSplit, Source
from jcl.data.text.tokenizer import Tokenizer
from jcl.errors import UserError
from jcl.experiment import open_split
from jcl.experiment.tables import option_of_views
from jcl.probes.linear import holds_out


@dataclasses.dataclass(frozen=True)
class Measurable:
    """The facts about data that decide which probes are meaningful.

    Attributes:
        examples: number of training examples.
        test: whether there is a test split.
        classes: number of classes that occur among the training labels; None without labels.
        target: whether examples have targets.
    """

    examples: int
    test: bool
    classes: int | None
    target: bool


def open_test_split(
    config: ConfigDict, *, tokenizer: Callable[[], Tokenizer] | None = None
) -> Source | None:
    """The test split of the config's dataset, or None if the dataset has none.

    Args:
        config: of the run.
        tokenizer: as `jcl.experiment.open_split` takes it.

    Raises:
        UserError: the split cannot be read.
    """
    try:
        return open_split(config, "test", tokenizer=tokenizer)
    except MissingSplit:
        return None


def left_out(config: ConfigDict, found: Measurable) -> list[str]:
    """A sentence for each score that evaluation leaves out, or measures otherwise than asked."""
    said, name = [], config.data.name
    if not found.test:
        said.append(
            f"data.name={name!r} has no test split, so nothing is predicted and geometry is that "
            "of training examples; data.held_out=0.1 takes a tenth of these for a test split"
        )
    if found.classes is None and not found.target:
        said.append(
            f"data.name={name!r} has neither labels nor targets, so features are measured by their "
            "geometry alone"
        )
    if found.classes is not None and found.classes < 2:
        said.append(
            f"the training examples are all of one class (probe.label={config.probe.label!r}), so "
            "probes of classes are left out"
        )
    if (found.classes or 0) >= 2 or found.target:
        if config.probe.knn_k > found.examples:
            said.append(
                f"probe.knn_k={config.probe.knn_k} neighbours are asked of {found.examples} "
                f"training examples, so all of these vote"
            )
        if not holds_out(found.examples):
            said.append(
                f"linear and ridge probes hold out a tenth of the training examples, and "
                f"data.name={name!r} has {found.examples}, so these probes are left out"
            )
    if config.probe.finetune and not (found.test and (found.target or found.classes is not None)):
        said.append("probe.finetune=True needs labels or targets, and a test split: it is left out")
    return said


def foretold(config: ConfigDict, train: Source) -> list[str]:
    """The sentences that are known before training, from lengths, shapes and one example.

    Args:
        config: of the run.
        train: the training split.
    """
    try:
        test = open_test_split(config, tokenizer=lambda: train.tokenizer)
    except UserError as error:
        return [f"the test split cannot be opened, so evaluation would fail: {error}"]
    key = config.probe.label
    example = train.batch(np.arange(1))
    classes = train.n_classes if key == "label" else (2 if key in example else None)
    target = "target" in example
    said = left_out(config, Measurable(len(train), test is not None, classes, target))
    if test is not None:
        try:
            check_same_size(config, train, test)
        except UserError as error:
            said.append(f"evaluation would refuse these data: {error}")
    return said


def check_same_size(config: ConfigDict, train: Source, test: Source) -> None:
    """Raises UserError if networks cannot take the test images, or in another size."""
    here, there = train.image_shape, test.image_shape
    if here == there or (here and there and here[-1] == there[-1] and _cut(config)):
        return
    raise UserError(
        f"the training images of data.name={config.data.name!r} are {_said(here)} and its test "
        f"images {_said(there)}: data.image_size=N brings both to one size"
    )


def _cut(config: ConfigDict) -> bool:
    """Whether evaluation crops images to one size."""
    return option_of_views(config, "size") is not None


def _said(shape: tuple[int, ...] | None) -> str:
    return "no images" if shape is None else "x".join(map(str, shape))
