"""Calls a method's `at_epoch` on the host between two epochs."""

import functools
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float, Shaped

from jcl.data import Source
from jcl.data.dataset_shape import read_known
from jcl.errors import UserError
from jcl.evaluation.encode import FEATURE_BATCH, output_function
from jcl.experiment import Experiment
from jcl.mesh import replicated
from jcl.methods.base import Variables
from jcl.methods.epoch import Epoch
from jcl.probes.extract import extract
from jcl.training.state import TrainState


def make_at_epoch(
    experiment: Experiment, train: Source, mesh: Mesh
) -> Callable[[TrainState, int, Callable[[], None]], TrainState] | None:
    """Returns (state, completed updates, callback after each batch) -> the new state.

    The method's `at_epoch` is called at the beginning of an epoch; a run that resumes there calls
    it again with the same state. The result is None if the method has no such function.

    Raises, when called:
        UserError: the method returned variables of another structure, shape or dtype.
    """
    function = getattr(experiment.method, "at_epoch", None)
    if function is None:
        return None
    steps_per_epoch = experiment.length.steps_per_epoch
    seed = experiment.config.seed

    @functools.cache
    def apply_of(name):
        # Every process computes all examples, because each needs all of them.
        apply = output_function(experiment.config, experiment.method, name)
        return jax.jit(apply, out_shardings=replicated(mesh))

    @functools.cache
    def known(key: str) -> Shaped[np.ndarray, "n ..."]:
        return read_known(train, key)

    def at_epoch(state: TrainState, step: int, after_batch: Callable[[], None]) -> TrainState:
        number, step_in_epoch = divmod(step, steps_per_epoch)
        if step_in_epoch:
            return state

        def outputs(name: str) -> Float[np.ndarray, "n D"]:
            def apply(examples):
                after_batch()
                return apply_of(name)(state.probed, examples)

            return extract(apply, train, batch_size=min(FEATURE_BATCH, len(train))).features

        key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), number)
        before = Variables(state.params, state.model_state, state.method_state)
        after = function(before, Epoch(number, key, outputs, known))
        return state.replace(**_placed_like(before, after)._asdict())

    return at_epoch


def _placed_like(before: Variables, after: Variables) -> Variables:
    here, there = (
        jax.tree.map(lambda x: (tuple(np.shape(x)), np.dtype(x.dtype)), v) for v in (before, after)
    )
    if here != there:
        raise UserError("at_epoch returned variables of another structure, shape or dtype")
    return jax.tree.map(lambda old, new: jax.device_put(new, old.sharding), before, after)
