"""The protocol of a pretraining method: the functions that the one train step calls."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.data.dataset_shape import DatasetShape
from jcl.errors import UserError
from jcl.methods.clock import Clock

PyTree = Any


class Variables(NamedTuple):
    """All arrays of a method: pytrees that are sharded, checkpointed, and readable by probes."""

    params: PyTree  # trained by the optimizer
    model_state: PyTree  # running statistics of networks; `embed` may change these
    method_state: PyTree = {}  # noqa: RUF012  averages, queues, tables; never changed in place


class Embedded(NamedTuple):
    """What `Method.embed` returns for the examples it was given."""

    embeddings: PyTree  # floats [B, ...], one row per example
    extra_losses: Mapping[str, Float[Array, " B"]]  # per example; their means join the loss
    model_state: PyTree


class Outcome(NamedTuple):
    """What `Method.objective` returns for the global batch."""

    loss: Float[Array, ""]
    metrics: Mapping[str, Float[Array, ""]]  # to be logged
    carry: PyTree  # passed on to `after_update`; {} for most methods


@runtime_checkable
class Method(Protocol):
    """A frozen object of static choices whose functions are pure.

    `embed` is the only expensive function. It may be called with examples in any grouping.
    `objective` sees the embeddings of the whole global batch. Because of this split, the batch can
    be embedded in pieces without changing the objective.

    A constructor parameter without a default that has the name of a section of networks is built
    from that section, such as `encoder: nn.Module`. `teacher`, the networks of another run
    (`jcl.methods.parts.teacher`), is built in the same way. A parameter with a default is an option
    of the method (`jcl.config.options`).

    A method may leave out the attributes of `Defaults`, and these functions:

    * `at_epoch(variables, epoch) -> Variables` is called on the host before an epoch's first step,
      and again when a run resumes at that step. Its result must depend only on the two arguments
      (`jcl.methods.epoch.Epoch`).
    * `adopt(variables) -> Variables` is called once after networks of another run replaced those
      that `init` made (`init_from`). It renews everything that is a copy of networks.

    Attributes:
        needs: keys that an example must have: (), ("image", "text"), ("label",), ("target",), ...
    """

    needs: tuple[str, ...]

    def init(self, key: PRNGKeyArray, views: Mapping[str, PyTree], data: DatasetShape) -> Variables:
        """Makes all variables.

        Args:
            key: for all random numbers.
            views: of one example, zeros; only their shapes and dtypes matter.
            data: the training split. Row i of a table belongs to the example with index i.
        """

    def embed(
        self,
        variables: Variables,
        views: Mapping[str, PyTree],
        keys: Shaped[PRNGKeyArray, " B"],
    ) -> Embedded:
        """Maps views to embeddings, in training mode.

        Args:
            variables: `model_state` and `method_state` get no gradient.
            views: kind -> leaves [B, V, ...], as the recipe of views makes them; "side" has further
                values of the recipe (boxes, flips, masks).
            keys: one per example, from (seed, step, position in the global batch), so that dropout
                and masks do not depend on chunks or devices.
        """

    def objective(
        self,
        variables: Variables,
        embeddings: PyTree,
        batch: Mapping[str, jax.Array],
        clock: Clock,
        key: PRNGKeyArray,
        mesh: Mesh | None,
    ) -> Outcome:
        """The loss of the global batch.

        Args:
            variables: before the step.
            embeddings: from `embed`, of all examples.
            batch: all values of the examples under the keys of the dataset, and `index` [B].
            clock: of this step.
            key: for the objective's random numbers.
            mesh: the batch is sharded over its axes; None computes as one device would.
        """

    def after_update(self, variables: Variables, carry: PyTree, clock: Clock) -> Variables:
        """Makes the method's own changes after the optimizer's, before weights are averaged.

        Args:
            variables: with the new params and model_state, and the old method_state.
            carry: from the `Outcome`.
            clock: the same clock that `objective` had.
        """

    def outputs(
        self, variables: Variables, inputs: Mapping[str, jax.Array]
    ) -> Mapping[str, Float[Array, "N ..."]]:
        """The outputs that probes may use, by name, for the inputs that are given.

        Running statistics are frozen. `features` [N, D] is the result of pretraining. `map`
        [N, h, w, D] is the feature map whose mean is `features`, if the encoder has one.
        `projection` [N, d] is what the loss compares. `prediction` is the output of a method that
        is trained with labels: logits [N, C] of `label`, or values [N] of `target`. Names of
        further towers begin with the tower, `text/features`, and those of momentum copies with
        `momentum/`.

        Args:
            variables: of a checkpoint.
            inputs: kind -> [N, ...]: examples without augmentation, images as floats in [0, 1].
        """


class Defaults:
    """Defaults of attributes that a method may leave out.

    Attributes:
        instead: a key that examples may have -> what the error says about it if they lack a key of
            `needs`, such as {"target": "only targets, which are not classes"}.
        feature_parts: the parts of the parameters that the output `features` depends on.
        head_parts: the parts of the parameters whose shape depends on the labels of the dataset.
        groups: groups of parameters, which count after those of the config (`jcl.optim.groups`).
        order: the order of examples, such as `jcl.data.order.grouped`; None stands for
            `jcl.data.order.shuffled`.
        split: patterns of parameters (`jcl.optim.patterns`) that do not fit into one device. Their
            rows are split over all devices and reach `objective` that way; `embed` must not use
            them.
        unlabelled: whether the label of a training example may be -1, which means no label, if the
            method needs labels.
    """

    instead: Mapping[str, str] = {}
    feature_parts: tuple[str, ...] = ("encoder",)
    head_parts: tuple[str, ...] = ()
    groups: tuple = ()
    order = None
    split: tuple[str, ...] = ()
    unlabelled: bool = False


def declared(method: Any, name: str) -> Any:
    """An attribute of a method, or its default.

    Args:
        method: the method.
        name: one of the attributes of `Defaults`.
    """
    return getattr(method, name, getattr(Defaults, name))


_ARGUMENTS = {
    "init": ("key", "views", "data"),
    "embed": ("variables", "views", "keys"),
    "objective": ("variables", "embeddings", "batch", "clock", "key", "mesh"),
    "after_update": ("variables", "carry", "clock"),
    "outputs": ("variables", "inputs"),
}
_OLD_ARGUMENTS = {"params", "model_state", "method_state", "state"}
_GONE = {
    "init_method_state": "init returns Variables(params, model_state, method_state)",
    "features": "outputs(variables, inputs) returns {'features': ...}",
    "project": "outputs(variables, inputs) returns {'projection': ...}",
    "predict": "outputs(variables, inputs) returns {'prediction': ...}",
}


def check_protocol(name: str, method: Any) -> None:
    """Raises UserError if a user's class is not a method, or has jcl's first protocol.

    Args:
        name: of the method in the config.
        method: the object that the class made.
    """
    said = f"method.name={name!r}"
    for function, arguments in _ARGUMENTS.items():
        found = getattr(method, function, None)
        if found is None:
            raise UserError(
                f"{said} has no {function}({', '.join(arguments)}): see jcl.methods.base.Method"
            )
        taken = tuple(inspect.signature(found).parameters)
        if len(taken) != len(arguments) or not _OLD_ARGUMENTS.isdisjoint(taken):
            raise UserError(
                f"{said} has {function}({', '.join(taken)}), but must have "
                f"{function}({', '.join(arguments)}): see jcl.methods.base.Method"
            )
    for function, now in _GONE.items():
        if hasattr(method, function):
            raise UserError(
                f"{said} has {function}, which is from jcl's first protocol of methods; now {now}"
            )
    if not hasattr(method, "needs"):
        raise UserError(f"{said} has no `needs`: see jcl.methods.base.Method")
