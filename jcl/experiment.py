"""From a config to the objects that a run is made of."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import DTypeLike
from ml_collections import ConfigDict

from jcl.augment import VIEWS
from jcl.config import PRECISIONS
from jcl.data import Source, open_source
from jcl.data.order import steps_per_epoch
from jcl.errors import UserError
from jcl.methods import METHODS
from jcl.methods.base import Method
from jcl.models import ENCODERS, PROJECTORS
from jcl.names import build
from jcl.optim import (
    Durations,
    durations,
    make_optimizer,
    make_schedule,
)
from jcl.state import TrainState, init_state, renew_method_state, state_shapes


@dataclasses.dataclass(frozen=True)
class Experiment:
    """All that is fixed while a run lasts, resolved for a dataset.

    Attributes:
        config: as asked.
        method: what is trained.
        make_views: keys [B] and images [B, H, W, C] to views [B, V, H, W, C].
        length: in steps.
        schedule: step to learning rate.
        optimizer: with that schedule.
        image_shape: (H, W, C) of the images; views may have another size.
        examples: in the training split.
    """

    config: ConfigDict
    method: Method
    make_views: Callable
    length: Durations
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    image_shape: tuple[int, int, int]
    examples: int

    def init_state(self, mesh: Mesh) -> TrainState:
        """The state before the first step."""
        return init_state(seed=self.config.seed, mesh=mesh, **self._state_options())

    def state_shapes(self, mesh: Mesh) -> TrainState:
        """The shapes and shardings of that state; allocates nothing."""
        return state_shapes(mesh=mesh, **self._state_options())

    def renew_method_state(self, state: TrainState) -> TrainState:
        """That state for other networks, once they are in it."""
        return renew_method_state(
            state,
            self.method,
            views=self._view_shapes(),
            examples=self.examples,
            seed=self.config.seed,
        )

    def _state_options(self) -> dict:
        return {
            "method": self.method,
            "optimizer": self.optimizer,
            "views": self._view_shapes(),
            "examples": self.examples,
            "fsdp_min_size": self.config.fsdp_min_size,
            "weight_ema": self.config.optimizer.weight_ema,
        }

    def _view_shapes(self) -> jax.ShapeDtypeStruct:
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 1))
        image = jax.ShapeDtypeStruct((1, *self.image_shape), image_dtype(self.config))
        return jax.eval_shape(self.make_views, keys, image)

    @property
    def views_per_example(self) -> int:
        """How many images the encoder sees of each example."""
        return sum(leaf.shape[1] for leaf in jax.tree.leaves(self._view_shapes()))

    def step_options(self) -> dict:
        """Keyword arguments of `jcl.step.train_step`, all but the mesh."""
        return {
            "method": self.method,
            "make_views": self.make_views,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "seed": self.config.seed,
            "weight_ema": self.config.optimizer.weight_ema,
            "frozen": self.config.frozen or (),
            "microbatches": self.config.microbatches,
            "dtype": image_dtype(self.config),
        }


def make_experiment(
    config: ConfigDict, *, image_shape: tuple[int, int, int] | None, examples: int
) -> Experiment:
    """Resolves a validated config for the training split of its dataset.

    Args:
        config: from `jcl.config.base()`.
        image_shape: (H, W, C) of every image; None where the dataset holds no images.
        examples: in the training split.

    Raises:
        UserError: an unknown name, an option that the named thing does not take, or a dataset
            that does not fit.
    """
    if image_shape is None:
        raise UserError(
            f"data.name={config.data.name!r} holds features, but "
            f"encoder.name={config.encoder.name!r} takes images"
        )
    length = durations(config, steps_per_epoch(examples, config.batch_size))
    schedule = make_schedule(config, length)
    return Experiment(
        config=config,
        method=make_method(config),
        make_views=build("views", config.views, VIEWS),
        length=length,
        schedule=schedule,
        optimizer=make_optimizer(config, schedule),
        image_shape=image_shape,
        examples=examples,
    )


def make_method(config: ConfigDict) -> Method:
    """Builds encoder, projector and method; needs no data."""
    types = {
        "dtype": PRECISIONS[config.precision],
        # Parameters and statistics keep float32 where bfloat16 computes.
        "param_dtype": image_dtype(config),
    }
    return build(
        "method",
        config.method,
        METHODS,
        encoder=build("encoder", config.encoder, ENCODERS, **types),
        projector=build("projector", config.projector, PROJECTORS, **types),
    )


def image_dtype(config: ConfigDict) -> DTypeLike:
    """The dtype of images, views and parameters: float64 where that is asked, float32 otherwise."""
    return jnp.float64 if config.precision == "float64" else jnp.float32


def open_split(config: ConfigDict, split: str) -> Source:
    """Opens the "train" or "test" split of the config's dataset."""
    section = config.data.to_dict()
    return open_source(section.pop("name"), split, **section)
