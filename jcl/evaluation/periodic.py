"""The periodic score of a run, which chooses the best checkpoint, and signs of collapse."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from absl import logging
from jax.sharding import Mesh
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.data.unrolled import every_image
from jcl.errors import UserError
from jcl.evaluation.classes import classes_to_probe
from jcl.evaluation.embeddings import PROJECTION, embedding_geometry
from jcl.evaluation.encode import FEATURE_BATCH, output_function, output_names
from jcl.evaluation.left_out import check_same_size, open_test_split
from jcl.experiment import Experiment
from jcl.mesh import replicated
from jcl.probes.effective_rank import collapse
from jcl.probes.extract import Features, extract
from jcl.probes.knn import knn_top1
from jcl.probes.knn_regression import knn_predict_target
from jcl.probes.linear import holds_out, linear_probe
from jcl.training.state import TrainState


@runtime_checkable
class OnlineProbe(Protocol):
    """Measures a state; `after_batch` is called after each batch, `tell` with signs of collapse."""

    def __call__(
        self,
        state: TrainState,
        after_batch: Callable[[], None],
        *,
        tell: Callable[[int, str, float], None],
    ) -> tuple[str, float]:
        """Returns the name of the run's score and its value."""


def make_online_probe(experiment: Experiment, train: Source, mesh: Mesh) -> OnlineProbe | None:
    """Returns a function that scores a state on the test split, or None if it is not asked for.

    The score is that of `probe.online` for the first of `probe.outputs`: "knn_top1" or
    "linear_top1" of the class `probe.label`, a share of 1; or, for a method that is trained with
    targets, "knn_mae", the mean absolute error. "effective_rank" and "spread" of the embeddings are
    reported too, and a sentence is logged if these have collapsed. Effective ranks are measured
    here instead of in every step, because accelerators compute singular values slowly.

    Raises:
        UserError: `probe.every_steps` is set but the data have no labels or no test split, or a
            linear probe is asked for a method that is trained with targets.
    """
    config = experiment.config
    if config.probe.every_steps is None:
        return None
    test = open_test_split(config, tokenizer=lambda: train.tokenizer)
    if test is None:
        raise UserError(
            f"probe.every_steps={config.probe.every_steps} scores a test split, but data.name="
            f"{config.data.name!r} has none: set data.held_out=0.1, or unset probe.every_steps"
        )
    check_same_size(config, train, test)
    test, train = every_image(test), every_image(train)
    by_target = "target" in experiment.method.needs
    if by_target and config.probe.online != "knn":
        raise UserError(
            f"probe.online={config.probe.online!r} scores labels, but method.name="
            f"{config.method.name!r} is trained with targets: set probe.online=knn"
        )
    key, classes = config.probe.label, train.n_classes or 0
    if key != "label":  # how many there are is known when examples are read
        classes = 2 if all(key in split.batch(np.arange(1)) for split in (train, test)) else 0
    if classes < 2 and not by_target:
        missing = "no labels" if key == "label" else f"no {key!r} (probe.label)"
        said = missing if not classes else "labels of one class alone"
        raise UserError(
            f"probe.every_steps={config.probe.every_steps} asks for {config.probe.online} scores, "
            f"but data.name={config.data.name!r} has {said}: set probe.every_steps=None"
        )
    if config.probe.online == "linear" and not holds_out(len(train)):
        raise UserError(
            f"probe.online='linear' holds out a tenth of the training examples, but data.name="
            f"{config.data.name!r} has {len(train)}: set probe.online=knn"
        )

    def function_of(name):
        # Every process computes all of it, as each needs all of it.
        output = output_function(config, experiment.method, name)
        return jax.jit(output, out_shardings=replicated(mesh))

    scored, embeddings = function_of(config.probe.outputs[0]), function_of(PROJECTION)

    def probe(state, after_batch, *, tell):
        variables = state.probed

        def apply_to(function):
            def apply(examples):
                after_batch()
                return function(variables, examples)

            return apply

        splits = (
            extract(apply_to(scored), split, batch_size=min(FEATURE_BATCH, len(split)))
            for split in (train, test)
        )
        score = _score(config, train.n_classes, by_target, *splits)
        if PROJECTION in output_names(config, experiment.method, variables, test):
            geometry = embedding_geometry(apply_to(embeddings), test)
            for name in ("effective_rank", "spread"):
                tell(int(state.step), name, geometry[name] or 0.0)
            if said := collapse(PROJECTION, geometry):
                logging.warning("step %d: %s", int(state.step), said)
        return score

    return probe


def _score(
    config: ConfigDict, n_classes: int | None, by_target: bool, train: Features, test: Features
) -> tuple[str, float]:
    if not by_target:
        n_classes, (train, test) = classes_to_probe(config.probe.label, n_classes, train, test)
        train, test = train.labelled(), test.labelled()
    k = min(config.probe.knn_k, len(train.features))
    options = {"k": k, "temperature": config.probe.knn_temperature}
    if by_target:
        predicted = knn_predict_target(train.features, train.target, test.features, **options)
        return "knn_mae", float(np.abs(predicted - test.target).mean())
    labelled = train.features, train.label, test.features, test.label
    if config.probe.online == "linear":
        scores = linear_probe(*labelled, n_classes=n_classes, seeds=(0,))
        return "linear_top1", scores["top1"]
    return "knn_top1", knn_top1(*labelled, n_classes=n_classes, **options)["top1"]
