"""DBPM: pairs whose losses stay far from those of other pairs count less (Lan et al. 2024)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jaxtyping import Array, Bool, Float

from jcl.config.checks import check_not_negative, check_positive
from jcl.losses.nt_xent import losses_of_anchors
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class DBPM(CosineContrast):
    """SimCLR that records each example's losses and gives bad pairs less weight.

    A pair is bad in one of two ways: its two views agree too easily (a noisy pair), or they show
    different things (a faulty pair). Such a pair is flagged when its mean loss over past epochs, in
    which later epochs weigh more, lies `deviations` standard deviations below or above the mean of
    all pairs. From `start_epochs` on, a flagged pair with current loss l has the weight
    exp(-(l - m)^2 / (2 s^2)). m and s are mean and deviation over the dataset at the end of the
    last epoch. Other pairs have weight 1. Take it if some training pairs are bad and it is not
    known which; SimCLR weighs all pairs equally.

    The method's state is a table with a weighted sum of losses, and the sum of weights, for every
    training example, and the mean and deviation of their quotients. The authors' code differs in
    two points. It does not divide the sums by the weights, so that they have another scale than the
    losses. Its weight is the density itself, which exceeds 1 for small deviations.

    Formula: mean_i w_i l_i, l_i the NT-Xent of pair i, w_i = exp(-(l_i - m)^2 / (2 s^2)) where its
    past mean lies `deviations` s or more from the mean m of all, else 1

    Reading: past losses are divided by their weights, and the weight of a pair is at most 1.

    Attributes:
        temperature: cosines are divided by it; 0.2 in the authors' code.
        deviations: standard deviations from the mean, in both directions, at which a pair is
            flagged; 2 in the code.
        start_epochs: number of epochs before the first pair is flagged; 50 of 80 in the code.

    Source: Lan et al. 2024, "Towards Enhancing Time Series Contrastive Learning: A Dynamic Bad Pair
    Mining Approach" (https://arxiv.org/abs/2302.03357), Eq. 4 to 7, and the authors' code.
    """

    temperature: float = 0.2
    deviations: float = 2.0
    start_epochs: float = 50.0

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.deviations", self.deviations)
        check_not_negative("method.start_epochs", self.start_epochs)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; no example was seen yet."""
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        zero = jnp.zeros((), dtype)
        rows = table.start(data.examples, {"losses": zero, "weights": zero})
        state = {"table": rows, "mean": zero, "deviation": zero}
        return super().init(key, views, data)._replace(method_state=state)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """Mean of weight times NT-Xent; see `Method.objective`.

        The metric `flagged` is the batch's share of flagged pairs.
        """
        z0, z1 = pair_of(embeddings)
        anchors = losses_of_anchors(z0, z1, temperature=self.temperature, mesh=mesh)
        losses = anchors.reshape(-1, 2).mean(1)
        state = variables.method_state
        flagged = self.flagged(table.read(state["table"], batch["index"]), state)
        flagged &= clock.step >= clock.step_after("method.start_epochs", self.start_epochs)
        weights = jnp.where(flagged, likeness(losses, state), 1)
        metrics = {**two_view_diagnostics(z0, z1), "flagged": flagged.mean(dtype=losses.dtype)}
        carry = {"index": batch["index"], "losses": stop_gradient(losses)}
        return Outcome(jnp.mean(weights * losses), metrics, carry)

    def flagged(self, rows, state) -> Bool[Array, " B"]:
        """Whether pairs are bad by their past losses; False for a pair without any.

        An epoch leaves out the remainder of its batches, so a pair may have no past losses later
        than in the first epoch. Before the first epoch has ended, no pair is bad.

        Args:
            rows: of the table, of these pairs.
            state: the method's.
        """
        distance = jnp.abs(_mean_losses(rows) - state["mean"])
        is_far = distance >= self.deviations * state["deviation"]
        return (rows["weights"] > 0) & (state["deviation"] > 0) & is_far

    def after_update(self, variables, carry, clock) -> Variables:
        """Adds the batch's losses to its rows; after an epoch, updates mean and deviation."""
        state = variables.method_state
        rows, weight = table.read(state["table"], carry["index"]), 1 + clock.epoch
        added = {
            "losses": rows["losses"] + weight * carry["losses"],
            "weights": rows["weights"] + weight,
        }
        written = table.write(state["table"], carry["index"], added)
        moments = {name: state[name] for name in ("mean", "deviation")}
        moments = jax.lax.cond(
            (clock.step + 1) % clock.steps_per_epoch == 0, _moments, lambda _: moments, written
        )
        return variables._replace(method_state={"table": written, **moments})


def likeness(losses: Float[Array, " B"], state) -> Float[Array, " B"]:
    """exp(-(l - mean)^2 / (2 deviation^2)), in (0, 1], without gradient."""
    spread = jnp.where(state["deviation"] > 0, state["deviation"], 1)
    return stop_gradient(jnp.exp(-(((losses - state["mean"]) / spread) ** 2) / 2))


def _mean_losses(rows) -> Float[Array, " n"]:
    """The weighted mean of each row's losses; 0 where an example was never seen."""
    return rows["losses"] / jnp.where(rows["weights"] > 0, rows["weights"], 1)


def _moments(rows) -> dict[str, Float[Array, ""]]:
    """Mean and standard deviation of the mean losses of all examples that were seen."""
    means, seen = _mean_losses(rows), rows["weights"] > 0
    mean = jnp.mean(means, where=seen)
    return {"mean": mean, "deviation": jnp.std(means, where=seen)}
