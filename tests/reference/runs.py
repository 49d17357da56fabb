"""Runs that trained nothing: every weight is drawn at random, and saved as a run saves it."""

import jax
import jax.numpy as jnp
import numpy as np

from jcl.runtime import workdir as workdir_lib
from jcl.training.checkpoint import Checkpoints
from tests.tiny import one_device


def drawn_state(experiment):
    """The state of an experiment, with no zero and no one in it that could hide a mistake."""
    state = experiment.init_state(one_device())
    random = np.random.default_rng(0)

    def draw(path, leaf):
        if not leaf.ndim or leaf.dtype != jnp.float32:
            return leaf
        noise = random.normal(size=leaf.shape).astype(np.float32)
        name = path[-1].key
        if leaf.ndim > 1:
            return jnp.float32(noise / np.prod(leaf.shape[:-1]) ** 0.5)
        return jnp.float32((1 if name in ("scale", "var") else 0) + 0.1 * np.abs(noise))

    draw_all = jax.tree_util.tree_map_with_path
    return state.replace(
        params=draw_all(draw, state.params), model_state=draw_all(draw, state.model_state)
    )


def save_run(folder, experiment, state, data=None):
    """A workdir with one checkpoint, and with the identity of its data if that is given."""
    folder.mkdir()
    workdir_lib.write_config(folder, experiment.config)
    workdir_lib.write_run(folder, start_step=0, origin=None, options={}, data=data or {})
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(state, 1)


def program_of(card):
    """The lines of a card that load what it is about."""
    return card.read_text().split("## Load it\n\n```python\n")[1].split("```")[0]
