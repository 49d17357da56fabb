"""Supervised training with continuous targets: the baselines of contrastive regression."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts.supervised import Supervised

PyTree = Any
Statistics = dict[str, jax.Array]  # count, mean and variance of targets


@dataclasses.dataclass(frozen=True)
class Regression(Supervised):
    """One output of a linear head, trained on standardised targets; a subclass gives the loss.

    Targets are standardised by the mean and the standard deviation of all targets of earlier steps,
    which are kept in the state; in the first step, by those of the batch. So the loss and its
    gradient do not depend on the target's unit. Predictions are in the target's unit.
    """

    @property
    def needs(self):
        """Targets."""
        return ("target",)

    @property
    def outputs_of_head(self) -> int:
        """The prediction."""
        return 1

    @abc.abstractmethod
    def loss(self, error: Float[Array, "B 2"]) -> Float[Array, "B 2"]:
        """The loss of the difference between prediction and target, both standardised."""

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; no target was seen yet."""
        made = super().init(key, views, data)
        dtype = jax.tree.leaves(views)[0].dtype
        zero = jnp.zeros((), jnp.promote_types(dtype, jnp.float32))
        seen = {"count": zero, "mean": zero, "variance": zero}
        return made._replace(model_state={**made.model_state, "seen_targets": seen})

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the head's outputs [B, V], and the statistics for each example."""
        embedded = super().embed(variables, views, keys)
        return embedded._replace(embeddings=with_seen(variables, embedded.embeddings[..., 0]))

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """Mean loss over examples and views, of standardised targets.

        The metric `mean_absolute_error` is in units of the target.
        """
        target = batch["target"].astype(embeddings["seen"]["mean"].dtype)
        of_batch = {
            "count": jnp.asarray(target.size, target.dtype),
            "mean": target.mean(),
            "variance": target.var(),
        }
        mean, scale = _standards(embeddings, of_batch)
        error = embeddings["output"] - ((target - mean) / scale)[:, None]
        metrics = {"mean_absolute_error": scale * jnp.abs(error).mean()}
        return Outcome(self.loss(error).mean(), metrics, of_batch)

    def after_update(self, variables, carry, clock):
        """Adds the batch's targets to the statistics."""
        state = variables.model_state
        seen = _joined(state["seen_targets"], carry)
        return variables._replace(model_state={**state, "seen_targets": seen})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D], and `prediction` [N]: targets, in their unit."""
        found = super().outputs(variables, inputs)
        if "prediction" not in found:
            return found
        seen = variables.model_state["seen_targets"]
        return {**found, "prediction": found["prediction"][:, 0] * _scale(seen) + seen["mean"]}


def with_seen(variables: Variables, output: Float[Array, "B V"]) -> dict[str, PyTree]:
    """The head's outputs and, repeated for each example, the statistics that `objective` needs."""
    seen = variables.model_state["seen_targets"]
    return {
        "output": output,
        "seen": jax.tree.map(lambda x: jnp.broadcast_to(x, output.shape[:1]), seen),
    }


def in_units(embeddings: Mapping[str, PyTree], of_batch: Statistics) -> Float[Array, "B V"]:
    """The head's predictions in the target's unit.

    Args:
        embeddings: from `with_seen`.
        of_batch: statistics of the batch's targets, which `objective` returns as `carry`.
    """
    mean, scale = _standards(embeddings, of_batch)
    return embeddings["output"] * scale + mean


def _standards(embeddings, of_batch) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean and scale by which targets are standardised in this step."""
    seen = jax.tree.map(lambda x: x[0], embeddings["seen"])
    first = seen["count"] == 0
    seen = jax.tree.map(lambda now, before: jnp.where(first, now, before), of_batch, seen)
    return seen["mean"], _scale(seen)


def _scale(seen: Statistics) -> jax.Array:
    """The standard deviation, or 1 if all targets are equal."""
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
    """Mean absolute error.

    Take it as the baseline of methods that use targets. MSE weighs large errors more. ConR adds a
    contrast to L1.

    Formula: mean_i |prediction_i - target_i|, of standardised targets

    Source: none; the usual loss of regression with imbalanced targets.
    """

    def loss(self, error):
        """The absolute value of the error; its derivative at zero is zero."""
        return jnp.abs(error)


@dataclasses.dataclass(frozen=True)
class MSE(Regression):
    """Mean squared error.

    Take it instead of L1 if large errors should weigh more.

    Formula: mean_i (prediction_i - target_i)^2, of standardised targets

    Source: none; the usual loss of regression.
    """

    def loss(self, error):
        """The square of the error."""
        return error**2
