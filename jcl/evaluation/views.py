"""Views of test examples, for the measurement of alignment and for a picture."""

import functools
from collections.abc import Iterator

import jax
import numpy as np

from jcl.augment.image import examples_as_floats
from jcl.augment.views import FEATURES, IMAGES, VIDEOS, in_context
from jcl.data import Source
from jcl.evaluation.encode import FEATURE_BATCH, chosen_output
from jcl.experiment import Experiment, image_dtype
from jcl.methods.base import Variables

_MOST = 2000  # examples with two views for the measurement of alignment
_PROBED_KINDS = (IMAGES, FEATURES, VIDEOS)


def views_of(
    experiment: Experiment, source: Source, count: int, draw: int = 0
) -> Iterator[dict[str, jax.Array]]:
    """Views of the first examples, in batches, the same at every evaluation.

    Args:
        experiment: gives the recipe of views.
        source: of the examples.
        count: number of examples.
        draw: number of the draw; views of different draws are independent.
    """

    @jax.jit
    def make_views(keys, examples):
        examples = examples_as_floats(examples, image_dtype(experiment.config))
        return in_context(experiment.make_views, keys[0], examples)(keys, examples)

    key = jax.random.key(experiment.config.seed, impl="threefry2x32")
    keys = jax.random.split(jax.random.fold_in(key, draw) if draw else key, count)
    for start in range(0, count, FEATURE_BATCH):
        rows = np.arange(start, min(start + FEATURE_BATCH, count))
        yield make_views(keys[rows], source.batch(rows))


def views_pair(
    experiment: Experiment, name: str, variables: Variables, test: Source
) -> tuple[np.ndarray, np.ndarray] | None:
    """An output for two views of the first examples; None if it is not an output of views.

    If the recipe makes one view per example, the second view comes from a second draw.
    """
    output = jax.jit(functools.partial(chosen_output, experiment.method, name=name))
    pairs, count = [], min(_MOST, len(test))
    for batches in zip(*(views_of(experiment, test, count, draw) for draw in (0, 1)), strict=True):
        views = [{k: v for k, v in drawn.items() if k in _PROBED_KINDS} for drawn in batches]
        if not views[0] or name not in jax.eval_shape(
            experiment.method.outputs, variables, {k: v[:, 0] for k, v in views[0].items()}
        ):
            return None
        several = all(v.shape[1] > 1 for v in views[0].values())
        chosen = ((views[0], 0), (views[0], 1)) if several else ((views[0], 0), (views[1], 0))
        pairs.append(
            [
                np.asarray(output(variables, {k: v[:, i] for k, v in drawn.items()}))
                for drawn, i in chosen
            ]
        )
    first, second = np.concatenate(pairs, axis=1)
    return first, second
