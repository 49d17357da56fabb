"""The periodic kNN score of a run, by which the best checkpoint is kept."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh

from jcl.data import Source
from jcl.errors import UserError
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.experiment import Experiment, open_split
from jcl.mesh import replicated
from jcl.probes.extract import extract
from jcl.probes.knn import knn_top1
from jcl.probes.knn_regression import knn_predict_target
from jcl.training.state import TrainState


def make_knn_probe(
    experiment: Experiment, train: Source, mesh: Mesh
) -> Callable[[TrainState, Callable[[], None]], tuple[str, float]] | None:
    """Returns state -> what kNN scores on the test split, or None where the config asks for none.

    That is "knn_top1" and a share of 1, or, for a method that is trained with targets, "knn_mae"
    and the mean absolute error, of the first of `probe.outputs`. The function's other argument is
    called after each batch.

    Raises:
        UserError: `probe.every_steps` is set and the data has no labels or no test split.
    """
    config = experiment.config
    if config.probe.every_steps is None:
        return None
    test = open_split(config, "test")
    by_target = "target" in experiment.method.needs
    if train.n_classes is None and not by_target:
        raise UserError(
            f"probe.every_steps={config.probe.every_steps} asks for kNN, but data.name="
            f"{config.data.name!r} has no labels"
        )
    # Every process computes all of it, as each needs all of it.
    apply = jax.jit(
        output_function(config, experiment.method, config.probe.outputs[0]),
        out_shardings=replicated(mesh),
    )

    def probe(state: TrainState, after_batch: Callable[[], None]) -> tuple[str, float]:
        def embed(examples):
            after_batch()
            return apply(state.probed, examples)

        train_features = extract(embed, train, batch_size=min(FEATURE_BATCH, len(train)))
        test_features = extract(embed, test, batch_size=min(FEATURE_BATCH, len(test)))
        options = {"k": config.probe.knn_k, "temperature": config.probe.knn_temperature}
        if by_target:
            predicted = knn_predict_target(
                train_features.features, train_features.target, test_features.features, **options
            )
            return "knn_mae", float(np.abs(predicted - test_features.target).mean())
        top1 = knn_top1(
            train_features.features,
            train_features.label,
            test_features.features,
            test_features.label,
            n_classes=train.n_classes,
            **options,
        )["top1"]
        return "knn_top1", top1

    return probe
