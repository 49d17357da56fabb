"""The smallest run that has every part: what tests train."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcl import config as config_lib
from jcl.data import InMemorySource
from jcl.data.dataset_shape import images_of
from jcl.data.order import batch_indices
from jcl.experiment import make_experiment
from jcl.experiment.tables import NETWORKS, networks_of
from jcl.mesh import batch_sharding, make_mesh
from jcl.training.step import compile_train_step


def tiny_config(**overrides):
    """8x8 colour images, 16 a batch, a two-stage ConvNet; overrides as {"section.key": value}."""
    config = config_lib.base()
    values = {
        "batch_size": 16,
        "total_steps": 24,
        "log_every_steps": 1,
        "encoder.widths": (4, 8),
        "projector.hidden_dim": 8,
        "projector.output_dim": 8,
        "method.temperature": 0.2,
        "optimizer.learning_rate": 1e-2,
        **overrides,
    }
    for key, value in values.items():
        section = config
        *path, leaf = key.split(".")
        for part in path:
            section = section[part]
        section[leaf] = value
    for title in NETWORKS.keys() - {*networks_of(config.method.name)}:
        config[title] = {"name": config[title].name}
    return config


def tiny_source(n=64, shape=(8, 8, 3)):
    random = np.random.RandomState(0)
    return InMemorySource(
        {
            "image": random.randint(0, 256, (n, *shape), np.uint8),
            "label": random.randint(0, 4, n).astype(np.int32),
        }
    )


def mirrored():
    """Two views that differ and compile fast, as a config names them."""

    def make(keys, examples):
        images = examples["image"]
        return {"image": jnp.stack([images, images[:, :, ::-1]], axis=1)}

    return make


def one_device():
    return make_mesh(devices=jax.devices()[:1])


def tiny_experiment(config):
    """The experiment of a config on data shaped like `tiny_source()`, which is not made."""
    return make_experiment(config, images_of(8, 8, 3, examples=64, n_classes=4))


@dataclasses.dataclass
class Curve:
    losses: np.ndarray
    metrics: list[dict]
    state: object


def train(config, mesh, *, watch=lambda state: None):
    """Runs the one train step in this process and returns what it logged.

    `watch` sees the state before the first step and after each.
    """
    source = tiny_source()
    experiment = tiny_experiment(config)
    state = experiment.init_state(mesh)
    watch(state)
    step = compile_train_step(state, mesh=mesh, **experiment.step_options())
    metrics = []
    for t in range(config.total_steps):
        indices = batch_indices(t, n=len(source), batch_size=config.batch_size, seed=config.seed)
        batch = {**source.batch(indices), "index": indices.astype(np.int32)}
        state, scalars = step(state, jax.device_put(batch, batch_sharding(mesh)))
        metrics.append({key: np.asarray(value) for key, value in scalars.items()})
        watch(state)
    return Curve(np.array([m["loss"] for m in metrics]), metrics, state)


def assert_same_bits(left, right):
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), left, right
    )


def largest_difference(left, right):
    differences = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(np.asarray(a) - np.asarray(b)), initial=0.0)),
        left,
        right,
    )
    return max(jax.tree.leaves(differences))
