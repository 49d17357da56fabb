"""What a pretraining method is: the parts that the one train step puts together."""

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
    """All that a method owns: pytrees, sharded and checkpointed alike, which probes can read."""

    params: PyTree  # trained by the optimizer
    model_state: PyTree  # running statistics of networks: what `embed` may change
    method_state: PyTree = {}  # noqa: RUF012  averages, queues, tables; never changed in place


class Embedded(NamedTuple):
    """What `Method.embed` returns for the examples it was given."""

    embeddings: PyTree  # floats [B, ...], one row an example
    extra_losses: Mapping[str, Float[Array, " B"]]  # per example; their means join the loss
    model_state: PyTree


class Outcome(NamedTuple):
    """What `Method.objective` returns for the global batch."""

    loss: Float[Array, ""]
    metrics: Mapping[str, Float[Array, ""]]  # to be logged
    carry: PyTree  # what `after_update` needs; {} for most methods


@runtime_checkable
class Method(Protocol):
    """A frozen object of static choices whose functions are pure.

    `embed` is the only expensive part and treats examples in any grouping; `objective` sees the
    embeddings of the whole global batch. That split is what allows the batch to be embedded in
    pieces without changing the objective.

    A parameter of the constructor without a default, named like a section of the config that names
    a network, is built from that section: `encoder: nn.Module`. So is `teacher`, the networks of
    another run (`jcl.methods.parts.teacher`). A parameter with a default is an option of the method
    (`jcl.config.options`).

    A method may leave out what `declared` has a default for, and these functions:

    * `at_epoch(variables, epoch) -> Variables` is called on the host before an epoch's first step,
      and again where a run resumes there. It must be a function of the two alone
      (`jcl.methods.epoch.Epoch`).
    * `adopt(variables) -> Variables` is called once where networks of another run took the place of
      those that `init` made (`init_from`): what was copied from networks is copied anew.

    Attributes:
        needs: what an example must have: (), ("image", "text"), ("label",), ("target",), ...
    """

    needs: tuple[str, ...]

    def init(self, key: PRNGKeyArray, views: Mapping[str, PyTree], data: DatasetShape) -> Variables:
        """Makes all variables.

        Args:
            key: of all that is drawn.
            views: of one example, zeros; only shapes and dtypes mean something.
            data: the training split. What stands in row i of a table belongs to the example whose
                index is i.
        """

    def embed(
        self,
        variables: Variables,
        views: Mapping[str, PyTree],
        keys: Shaped[PRNGKeyArray, " B"],
    ) -> Embedded:
        """Maps views to embeddings, in training mode.

        Args:
            variables: no gradient reaches `model_state` and `method_state`.
            views: kind -> leaves [B, V, ...], as the recipe of views makes them; "side" is what the
                recipe knows besides (boxes, flips, masks).
            keys: one an example, from (seed, step, position in the global batch), so that dropout
                and masks depend neither on chunks nor on devices.
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
            embeddings: those of `embed`, of all examples.
            batch: all that the data know of each example, under their own names, and `index` [B].
            clock: of this step.
            key: of what the objective draws.
            mesh: the batch is sharded over its axes; None computes as one device would.
        """

    def after_update(self, variables: Variables, carry: PyTree, clock: Clock) -> Variables:
        """Makes the method's own changes after the optimizer's, before weights are averaged.

        Args:
            variables: with the new params and model_state, and the old method_state.
            carry: the outcome's.
            clock: of the step that was just taken: the one that `objective` had.
        """

    def outputs(
        self, variables: Variables, inputs: Mapping[str, jax.Array]
    ) -> Mapping[str, Float[Array, "N ..."]]:
        """What probes may see, by name, of whatever the inputs hold, statistics frozen.

        `features` [N, D] is what pretraining is for; `map` [N, h, w, D] is what they are the mean
        of, where the encoder has one; `projection` [N, d] is what the loss compares;
        `prediction` [N, C] are logits of `label`, or [N] values of `target`, of a method that is
        told these. Names of further towers begin with theirs: `text/features`.

        Args:
            variables: of a checkpoint.
            inputs: kind -> [N, ...]: examples as they are, images as floats in [0, 1].
        """


class Defaults:
    """What a method need not say."""

    instead: Mapping[str, str] = {}
    feature_parts: tuple[str, ...] = ("encoder",)
    head_parts: tuple[str, ...] = ()
    groups: tuple = ()
    order = None
    split: tuple[str, ...] = ()


def declared(method: Any, name: str) -> Any:
    """An attribute that a method may leave out.

    Args:
        method: the method.
        name: `instead`, {"target": "what to do where examples have targets and not what is
            needed"}; `feature_parts`, the parts of the parameters that "features" depends on;
            `head_parts`, those whose shape depends on the labels of the dataset; `groups`, of
            parameters, after those of the config (`jcl.optim.groups`); `order`, such as
            `jcl.data.order.grouped`, where it is another than the usual `jcl.data.order.shuffled`;
            `split`, patterns of parameters (`jcl.optim.patterns`) whose rows are split over all
            devices and reach `objective` so, because they would not fit into one: `embed` must not
            use them.
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
    """Raises UserError where a user's class is no method, or one of jcl's first protocol.

    Args:
        name: of the method in the config.
        method: what the class made.
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
                f"{said} has {function}({', '.join(taken)}), and must have "
                f"{function}({', '.join(arguments)}): see jcl.methods.base.Method"
            )
    for function, now in _GONE.items():
        if hasattr(method, function):
            raise UserError(
                f"{said} has {function}, which is of jcl's first protocol of methods; now {now}"
            )
    if not hasattr(method, "needs"):
        raise UserError(f"{said} has no `needs`: see jcl.methods.base.Method")
