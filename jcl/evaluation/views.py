"""Views of test examples, for the measurement of alignment and for a picture."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jcl.augment.image import examples_as_floats
from jcl.augment.views import FEATURES, IMAGES, VIDEOS, in_context
from jcl.data import Source
from jcl.evaluation.encode import FEATURE_BATCH, chosen_output
from jcl.experiment import Experiment, image_dtype
from jcl.methods.base import Method, Variables

_MOST = 2000  # examples with two views for the measurement of alignment
_PROBED_KINDS = (IMAGES, FEATURES, VIDEOS)


# (source, count, draw=0) -> views of the first `count` examples, in batches, the same at every
# evaluation. Views of different draws are independent. Texts are ids and a mask, others arrays.
DrawViews = Callable[..., Iterator[dict[str, Any]]]


def view_drawer(experiment: Experiment) -> DrawViews:
    """Returns a function that draws views; its first call compiles it.

    Args:
        experiment: gives the recipe of views.
    """

    @jax.jit
    def make_views(keys, examples):
        examples = examples_as_floats(examples, image_dtype(experiment.config))
        return in_context(experiment.make_views, keys[0], examples)(keys, examples)

    def draw_views(source: Source, count: int, draw: int = 0) -> Iterator[dict[str, Any]]:
        key = jax.random.key(experiment.config.seed, impl="threefry2x32")
        keys = jax.random.split(jax.random.fold_in(key, draw) if draw else key, count)
        for start in range(0, count, FEATURE_BATCH):
            rows = np.arange(start, min(start + FEATURE_BATCH, count))
            yield make_views(keys[rows], source.batch(rows))

    return draw_views


def pair_embedder(
    method: Method, name: str, draw_views: DrawViews
) -> Callable[[Variables, Source], tuple[np.ndarray, np.ndarray] | None]:
    """Returns (variables, source) -> an output for two views of each of the first examples.

    The result is None if it is not an output of views. If the recipe makes one view per example,
    the second view comes from a second draw.

    Args:
        method: of the run.
        name: of the output.
        draw_views: see `view_drawer`.
    """
    output = jax.jit(functools.partial(chosen_output, method, name=name))

    def embed_pairs(variables, source):
        count, pairs = min(_MOST, len(source)), []
        second_draw = draw_views(source, count, 1)  # of which only what is asked for is drawn
        for views in draw_views(source, count):
            first = _view(views, 0)
            if not first or name not in jax.eval_shape(method.outputs, variables, first):
                return None
            several = all(views[kind].shape[1] > 1 for kind in first)
            second = _view(views, 1) if several else _view(next(second_draw), 0)
            pairs.append([np.asarray(output(variables, view)) for view in (first, second)])
        first, second = np.concatenate(pairs, axis=1)
        return first, second

    return embed_pairs


def _view(views: dict[str, Any], i: int) -> dict[str, jax.Array]:
    return {kind: v[:, i] for kind, v in views.items() if kind in _PROBED_KINDS}
