"""What a pretraining method is: the parts that the one train step puts together."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

PyTree = Any


class Variables(NamedTuple):
    """A method's networks: pytrees, sharded and checkpointed alike."""

    params: PyTree  # trained by the optimizer
    model_state: PyTree  # running statistics of the networks (BatchNorm)


class Embedded(NamedTuple):
    """What `Method.embed` returns for the examples it was given."""

    embeddings: PyTree  # leaves [B, ...], one row an example
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

    A method that is trained with labels or targets may also have
    `predict(params, model_state, inputs)`, which returns logits [N, C] or targets [N]: evaluation
    then scores them against the one thing that `needs` names. A method whose loss sees more than
    the features may have `project(params, model_state, inputs)`, which returns what the loss
    compares [N, d].

    A parameter of the constructor without a default, named like a section of the config that names
    a network, is built from that section: `encoder: nn.Module`. A parameter with a default is an
    option of the method (`jcl.config.options`).

    Attributes:
        needs: what an example must have besides its image: (), ("label",) or ("target",).
        instead: {"target": "what to do where examples have targets and not what is needed"}.
        feature_parts: the parts of the parameters that `features` depends on.
        head_parts: the parts whose shape depends on the labels of the dataset.
    """

    needs: tuple[str, ...]
    instead: Mapping[str, str]
    feature_parts: tuple[str, ...]
    head_parts: tuple[str, ...]

    def init(self, key: PRNGKeyArray, views: PyTree) -> Variables:
        """Makes the networks for views of these shapes."""

    def init_method_state(
        self, key: PRNGKeyArray, variables: Variables, views: PyTree, examples: int
    ) -> PyTree:
        """Makes what the method keeps besides: EMA copies, queues, per-example tables; mostly {}.

        Called once for new networks, and again where those of another run take their place
        (`init_from`). The training split holds `examples` examples: what stands in row i of a table
        belongs to the example whose index is i.
        """

    def embed(
        self,
        params: PyTree,
        model_state: PyTree,
        method_state: PyTree,
        views: PyTree,
        key: PRNGKeyArray,
    ) -> Embedded:
        """Maps views (leaves [B, V, ...]) to embeddings, in training mode."""

    def objective(
        self,
        params: PyTree,
        embeddings: PyTree,
        batch: Mapping[str, jax.Array],
        method_state: PyTree,
        key: PRNGKeyArray,
        mesh: Mesh | None,
    ) -> Outcome:
        """The loss of the global batch: its inputs, `index` [B] and, if known, label, target."""

    def after_update(self, state, carry: PyTree):
        """Returns the TrainState after the optimizer's update, with its own changes made."""

    def features(
        self, params: PyTree, model_state: PyTree, inputs: Float[Array, "N ..."]
    ) -> Float[Array, "N D"]:
        """What probes see of images in [0, 1] or feature vectors, statistics frozen."""
