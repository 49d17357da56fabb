"""Builds the objects of a run from a config."""

import dataclasses
import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jax.typing import DTypeLike
from ml_collections import ConfigDict

from jcl.augment.image import examples_as_floats
from jcl.augment.make import make_views
from jcl.augment.views import SIDE, InContext, Views, in_context
from jcl.config import PRECISIONS
from jcl.config.names import build
from jcl.data.dataset_shape import DatasetShape
from jcl.data.order import Order, grouped, shuffled
from jcl.data.text.kept import read_kept
from jcl.errors import UserError
from jcl.experiment.read import open_config, read_run_config
from jcl.experiment.tables import NETWORKS, networks_of, sections_of, target
from jcl.experiment.vocabulary import with_vocabulary
from jcl.experiment.widths import with_widths
from jcl.methods import METHODS
from jcl.methods.base import Method, Variables, check_protocol, declared
from jcl.methods.clock import Clock
from jcl.methods.parts.teacher import Teacher
from jcl.optim.groups import Group, groups_of
from jcl.optim.optimizers import make_optimizer
from jcl.optim.schedules import Durations, durations, make_schedule
from jcl.runtime.folder import Folder, folder_at
from jcl.training.checkpoint import read_variables
from jcl.training.state import StateMaker, TrainState

PyTree = Any


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that is constant during a run, resolved for a dataset.

    Attributes:
        config: as given.
        method: the method that is trained.
        make_views: the recipe of views (`jcl.augment.views`).
        order: of the examples.
        length: in steps.
        schedule: step to learning rate.
        optimizer: with this schedule.
        data: the training split; views of images may have another size.
    """

    config: ConfigDict
    method: Method
    make_views: Views | InContext
    order: Order
    length: Durations
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    data: DatasetShape

    def init_state(self, mesh: Mesh) -> TrainState:
        """The state before the first step."""
        return self._state_maker().init(self.config.seed, mesh)

    def state_shapes(self, mesh: Mesh) -> TrainState:
        """The shapes and shardings of the state before the first step; allocates nothing."""
        return self._state_maker().shapes(mesh)

    def adopt(self, state: TrainState) -> TrainState:
        """The state before the first step, after networks of another run were loaded into it."""
        return self._state_maker().adopt(state)

    def _state_maker(self) -> StateMaker:
        return StateMaker(
            method=self.method,
            optimizer=self.optimizer,
            views=self._view_shapes(),
            data=self.data,
            weight_ema=self.config.optimizer.weight_ema,
            fsdp_min_size=self.config.fsdp_min_size,
        )

    def _view_shapes(self) -> dict[str, PyTree]:
        """The shapes of the views of one example, in a batch of size one."""
        return jax.eval_shape(self._views_of, self.data.batch(1))

    def _views_of(self, batch):
        key = jax.random.key(0)
        examples = examples_as_floats(batch, image_dtype(self.config))
        return in_context(self.make_views, key, examples)(jax.random.split(key, 1), examples)

    @property
    def views_per_example(self) -> int:
        """The number of views of each example."""
        kinds = [tree for kind, tree in self._view_shapes().items() if kind != SIDE]
        return sum(jax.tree.leaves(tree)[0].shape[1] for tree in kinds)

    @property
    def groups(self) -> tuple[Group, ...]:
        """Groups of parameters, including those that the method suggests."""
        return groups_of(self.config, declared(self.method, "groups"))

    def step_options(self) -> dict:
        """Keyword arguments of `jcl.training.step.train_step`, except the mesh."""
        return {
            "method": self.method,
            "make_views": self.make_views,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "clock": Clock(0, self.length.steps_per_epoch, self.length.total_steps),
            "seed": self.config.seed,
            "weight_ema": self.config.optimizer.weight_ema,
            "groups": self.groups,
            "microbatches": self.config.microbatches,
            "dtype": image_dtype(self.config),
        }


def make_experiment(config: ConfigDict, data: DatasetShape) -> Experiment:
    """Resolves a config for the training split of its dataset.

    Args:
        config: from `jcl.config.base()`.
        data: the training split.

    Raises:
        UserError: an unknown name, an unknown option, a dataset that does not match, or a precision
            that JAX is not set up for.
    """
    config = open_config(config)
    if jax.dtypes.canonicalize_dtype(image_dtype(config)) != image_dtype(config):
        raise UserError(
            "precision='float64' needs JAX's 64-bit mode: call jcl.runtime.configure('float64') "
            "before anything asks for a device, as the binaries do"
        )
    method = make_method(config, n_classes=data.n_classes, vocabulary=data.vocabulary)
    usual = shuffled if config.data.groups is None else grouped
    make_order = declared(method, "order") or usual
    order = make_order(data, batch_size=config.batch_size, seed=config.seed)
    length = durations(config, order.steps_per_epoch)
    schedule = make_schedule(config, length)
    return Experiment(
        config=config,
        method=method,
        make_views=make_views(config.views),
        order=order,
        length=length,
        schedule=schedule,
        optimizer=make_optimizer(config, schedule, declared(method, "groups")),
        data=data,
    )


def make_method(
    config: ConfigDict, *, n_classes: int | None = None, vocabulary: int | None = None
) -> Method:
    """Builds a method and its networks, without data and without reading files.

    Args:
        config: from `jcl.config.base()`.
        n_classes: for methods that take it; features do not depend on it.
        vocabulary: number of token ids of the run's tokenizer; None if texts are not strings.

    Raises:
        UserError: networks that do not match, such as one with fewer token ids.
    """
    types = {
        "dtype": PRECISIONS[config.precision],
        # Parameters and statistics are float32 if networks compute in bfloat16.
        "param_dtype": image_dtype(config),
    }
    config = with_vocabulary(with_widths(config), vocabulary)
    supplied = {
        title: build(title, config[title], NETWORKS[title], **types)
        for title in networks_of(config.method.name)
    }
    if "teacher" in sections_of(config.method.name):
        supplied["teacher"] = Teacher(
            functools.partial(method_of, config.teacher.workdir),
            functools.partial(_variables_of, config.teacher.workdir, config.teacher.step),
        )
    if "n_classes" in inspect.signature(target("method", config.method.name)).parameters:
        supplied["n_classes"] = n_classes
    method = build("method", config.method, METHODS, **supplied)
    check_protocol(config.method.name, method)
    return method


def method_of(workdir: str | Folder) -> Method:
    """The method of a run with its networks, made only from the workdir."""
    folder = folder_at(str(workdir))
    tokenizer = read_kept(folder)
    vocabulary = None if tokenizer is None else tokenizer.size
    return make_method(read_run_config(folder)[0], vocabulary=vocabulary)


def _variables_of(workdir: str, step: int | None) -> Variables:
    return read_variables(workdir, step)[0]


def describe_networks(config: ConfigDict) -> str:
    """The names of the method and its networks, for messages: "simclr with convnet, mlp"."""
    names = [config[title].name for title in networks_of(config.method.name)]
    return f"{config.method.name} with {', '.join(names)}" if names else config.method.name


def check_needs(experiment: Experiment) -> None:
    """Raises UserError if examples lack what the method trains with; probes may lack it.

    A label or a target that is the same in all examples teaches nothing.
    """
    config, method, example = experiment.config, experiment.method, experiment.data.example
    if missing := [key for key in method.needs if key not in example]:
        instead = [text for key, text in declared(method, "instead").items() if key in example]
        a = "an" if missing[0][0] in "aeiou" else "a"
        raise UserError(
            f"method.name={config.method.name!r} needs {a} {missing[0]} of every example, but "
            f"data.name={config.data.name!r} has {', '.join(['none', *instead])}"
        )
    if needs_every_label(method) and (count := experiment.data.unlabelled):
        raise UserError(
            f"method.name={config.method.name!r} needs a label of every example, but {count} of "
            f"{experiment.data.examples} training examples of data.name={config.data.name!r} have "
            "none (-1): leave these out, or take a method without labels"
        )
    if constant := [key for key in method.needs if key in experiment.data.constant]:
        raise UserError(
            f"method.name={config.method.name!r} learns from {constant[0]}s, but all "
            f"{experiment.data.examples} training examples of data.name={config.data.name!r} have "
            f"the same {constant[0]}: take other data, or a method without {constant[0]}s"
        )


def needs_every_label(method: Method) -> bool:
    """Whether the method trains with labels, and cannot train with an example that has none."""
    return "label" in method.needs and not declared(method, "unlabelled")


def image_dtype(config: ConfigDict) -> DTypeLike:
    """The dtype of images, views and parameters: float64 if asked for, otherwise float32."""
    return jnp.float64 if config.precision == "float64" else jnp.float32
