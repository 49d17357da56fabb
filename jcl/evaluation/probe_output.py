"""All probes of one output of a method."""

import functools
from collections.abc import Callable

import jax
import ml_collections

from jcl.data import Source
from jcl.evaluation.classes import classes_to_probe
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.evaluation.views import DrawViews, pair_embedder
from jcl.experiment import Experiment
from jcl.methods.base import Variables
from jcl.probes import Features, extract, geometry, measure

Probed = tuple[dict, tuple[Features, Features | None]]


def prober(
    experiment: Experiment, name: str, draw_views: DrawViews
) -> Callable[[Variables, Source, Source | None], Probed]:
    """Returns (variables, train, test) -> the scores of an output, and its values for the splits.

    What it compiles serves for all variables, such as the trained and the untrained ones.

    Args:
        experiment: of the run.
        name: of the output.
        draw_views: see `jcl.evaluation.views.view_drawer`.
    """
    config = experiment.config
    output = jax.jit(output_function(config, experiment.method, name))
    embed_pairs = pair_embedder(experiment.method, name, draw_views)

    def features_of(variables, split):
        apply = functools.partial(output, variables)
        return extract(apply, split, batch_size=min(FEATURE_BATCH, len(split)))

    def probe(variables, train, test):
        train_features = features_of(variables, train)
        test_features = None if test is None else features_of(variables, test)
        scores = {}
        if test is not None:
            shares = config.probe.shares
            scores = score_features(config, train, train_features, test_features, shares=shares)
        shown = train_features if test_features is None else test_features
        pair = embed_pairs(variables, train if test is None else test)
        scores["geometry"] = geometry(pair, shown.features, shown.label, shown.target)
        return scores, (train_features, test_features)

    return probe


def score_features(
    config: ml_collections.ConfigDict,
    source: Source,
    train_features: Features,
    test_features: Features,
    *,
    shares: tuple[float, ...],
) -> dict:
    """All probes that the data allow; {} without labels and targets."""
    n_classes, of_splits = classes_to_probe(
        config.probe.label, source.n_classes, train_features, test_features
    )
    return measure(
        *of_splits,
        n_classes=n_classes,
        k=config.probe.knn_k,
        temperature=config.probe.knn_temperature,
        seeds=tuple(range(config.probe.linear_seeds)),
        shares=shares,
        bin_width=config.probe.target_bin,
    )
