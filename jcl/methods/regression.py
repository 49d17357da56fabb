"""Training with continuous targets from end to end: the controls of contrastive regression."""

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.supervised import Supervised

Statistics = dict[str, jax.Array]  # count, mean and variance of some targets


@dataclasses.dataclass(frozen=True)
class Regression(Supervised):
    """One output of a linear head, trained on standardised targets; a subclass gives the loss.

    Targets are standardised by the mean and the standard deviation of all that came before, which
    the model state keeps (by those of the batch itself, in the first step): the loss and its
    gradient do not depend on the target's unit. Predictions are in that unit.
    """

    @property
    def needs(self):
        """Targets."""
        return ("target",)

    @property
    def outputs(self) -> int:
        """The prediction."""
        return 1

    @abc.abstractmethod
    def loss(self, error: Float[Array, "B 2"]) -> Float[Array, "B 2"]:
        """Of the difference between prediction and target, both standardised."""

    def init(self, key, views) -> Variables:
        """See `Method.init`; no target was seen yet."""
        params, model_state = super().init(key, views)
        zero = jnp.zeros((), jnp.promote_types(views.dtype, jnp.float32))
        seen = {"count": zero, "mean": zero, "variance": zero}
        return Variables(params, {**model_state, "seen_targets": seen})

    def embed(self, params, model_state, method_state, views, key) -> Embedded:
        """See `Method.embed`; the head's outputs [B, 2], and for each example what was seen."""
        embedded = super().embed(params, model_state, method_state, views, key)
        seen = model_state["seen_targets"]
        per_example = jax.tree.map(lambda x: jnp.broadcast_to(x, views.shape[:1]), seen)
        embeddings = {"output": embedded.embeddings[..., 0], "seen": per_example}
        return Embedded(embeddings, {}, {**embedded.model_state, "seen_targets": seen})

    def objective(self, params, embeddings, batch, method_state, key, mesh) -> Outcome:
        """Mean loss over examples and views, of standardised targets.

        The metric `mean_absolute_error` is in units of the target.
        """
        del params, method_state, key, mesh
        target = batch["target"].astype(embeddings["seen"]["mean"].dtype)
        batch = {
            "count": jnp.asarray(target.size, target.dtype),
            "mean": target.mean(),
            "variance": target.var(),
        }
        seen = jax.tree.map(lambda x: x[0], embeddings["seen"])
        first = seen["count"] == 0
        seen = jax.tree.map(lambda now, before: jnp.where(first, now, before), batch, seen)
        scale = _scale(seen)
        error = embeddings["output"] - ((target - seen["mean"]) / scale)[:, None]
        metrics = {"mean_absolute_error": scale * jnp.abs(error).mean()}
        return Outcome(self.loss(error).mean(), metrics, batch)

    def after_update(self, state, carry):
        """Counts the batch's targets among those seen."""
        seen = _joined(state.model_state["seen_targets"], carry)
        return state.replace(model_state={**state.model_state, "seen_targets": seen})

    def predict(self, params, model_state, inputs) -> Float[Array, " N"]:
        """Targets of images in [0, 1] or of vectors, statistics frozen."""
        output = super().predict(params, model_state, inputs)[:, 0]
        seen = model_state["seen_targets"]
        return output * _scale(seen) + seen["mean"]


def _scale(seen: Statistics) -> jax.Array:
    """The standard deviation, or 1 where all targets are the same."""
    return jnp.where(seen["variance"] > 0, jnp.sqrt(seen["variance"]), 1)


def _joined(seen: Statistics, batch: Statistics) -> Statistics:
    """Count, mean and variance of both (Chan et al. 1983, Eq. 2.1); seen may be empty."""
    count = seen["count"] + batch["count"]
    share = batch["count"] / count
    difference = batch["mean"] - seen["mean"]
    variance = (1 - share) * seen["variance"] + share * batch["variance"]
    variance += share * (1 - share) * difference**2
    return {"count": count, "mean": seen["mean"] + share * difference, "variance": variance}


@dataclasses.dataclass(frozen=True)
class L1(Regression):
    """Mean absolute error."""

    def loss(self, error):
        """Its absolute value; the derivative at zero is zero."""
        return jnp.abs(error)


@dataclasses.dataclass(frozen=True)
class MSE(Regression):
    """Mean squared error."""

    def loss(self, error):
        """Its square."""
        return error**2
