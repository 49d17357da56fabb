"""Training with continuous targets from end to end: the controls of contrastive regression."""

import abc
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.supervised import Supervised


@dataclasses.dataclass(frozen=True)
class Regression(Supervised):
    """One output of a linear head, in units of the target; a subclass gives the loss.

    The head's output is scaled and shifted by the standard deviation and the mean of all targets
    seen so far, which the model state keeps: it then begins at the mean, and how fast it learns
    does not depend on the target's unit.
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
        """Of the difference between prediction and target, in units of the target."""

    def init(self, key, views) -> Variables:
        """See `Method.init`; no target was seen yet."""
        params, model_state = super().init(key, views)
        zero = jnp.zeros((), jnp.promote_types(views.dtype, jnp.float32))
        seen = {"count": zero, "mean": zero, "variance": zero + 1}
        return Variables(params, {**model_state, "seen_targets": seen})

    def embed(self, params, model_state, method_state, views, key) -> Embedded:
        """See `Method.embed`; embeddings [B, 2] are predictions."""
        embedded = super().embed(params, model_state, method_state, views, key)
        seen = model_state["seen_targets"]
        predicted = _in_units(embedded.embeddings[..., 0], seen)
        return Embedded(predicted, {}, {**embedded.model_state, "seen_targets": seen})

    def objective(self, params, embeddings, side, method_state, key, mesh) -> Outcome:
        """Mean loss over examples and views."""
        del params, method_state, key, mesh
        target = side["target"].astype(embeddings.dtype)
        error = embeddings - target[:, None]
        metrics = {"mean_absolute_error": jnp.abs(error).mean()}
        batch = {
            "count": jnp.asarray(target.size, target.dtype),
            "mean": target.mean(),
            "variance": target.var(),
        }
        return Outcome(self.loss(error).mean(), metrics, batch)

    def after_update(self, state, carry):
        """Counts the batch's targets among those seen."""
        seen = _joined(state.model_state["seen_targets"], carry)
        return state.replace(model_state={**state.model_state, "seen_targets": seen})

    def predict(self, params, model_state, inputs) -> Float[Array, " N"]:
        """Targets of images in [0, 1] or of vectors, statistics frozen."""
        output = super().predict(params, model_state, inputs)[:, 0]
        return _in_units(output, model_state["seen_targets"])


def _in_units(output: jax.Array, seen: dict[str, jax.Array]) -> jax.Array:
    return output.astype(seen["mean"].dtype) * jnp.sqrt(seen["variance"]) + seen["mean"]


def _joined(seen: dict[str, jax.Array], batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
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
