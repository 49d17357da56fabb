"""iSogCLR: SogCLR with a temperature of its own for every example (Qiu et al. 2023)."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import logmeanexp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.config.checks import check_not_negative, check_positive, check_share
from jcl.errors import UserError
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.losses.engine.moving_average import log_average, log_with_gradient_of
from jcl.methods.base import Outcome
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import TwoViewNetworks, pair_of


@dataclasses.dataclass(frozen=True)
class ISogCLR(TwoViewNetworks):
    """Contrast with the whole dataset, with a learned temperature for each example.

    An example with many near negatives, such as one of a frequent class, gets a higher temperature,
    which pushes near negatives less. Take it for long-tailed data; SogCLR has one temperature for
    all examples. The method's state is a table with a row for every training example:
    `log_estimates` (see SogCLR), `temperatures`, and `velocities` of the temperatures.

    Formula: mean_i [-cos(z_i, z_p(i)) + t_i log u_i], u_i the moving average of mean_{j not in {i,
    p(i)}} exp(cos(z_i, z_j) / t_i); t_i descends along log u_i + rho - the mean of cos / t_i under
    the negatives' weights

    Reading: an estimate is the batch's alone at the example's first visit; in the authors' code it
    is so during the whole first epoch.

    Attributes:
        temperature: initial temperature of every example; 0.1 in the authors' code for CIFAR.
        temperature_min: smallest temperature.
        temperature_max: largest temperature.
        rho: largest divergence, in nats, of the weights of an example's negatives from uniform
            weights, between 0 and the logarithm of their number. A larger rho makes temperatures
            lower.
        gamma: weight of the batch in an estimate.
        eta: learning rate of temperatures; 0 is SogCLR.
        beta: weight of a new gradient in a temperature's velocity.
        clip: gradients of temperatures are clipped to this size.

    Source: Qiu et al. 2023, "Not All Semantics are Created Equal: Contrastive Self-supervised
    Learning with Automatic Temperature Individualization" (https://arxiv.org/abs/2305.11965), Eq. 6
    and Alg. 1; defaults are those of the authors' code for one modality.
    """

    temperature: float = 0.1
    temperature_min: float = 0.05
    temperature_max: float = 1.0
    rho: float = 0.4
    gamma: float = 0.8
    eta: float = 0.03
    beta: float = 0.5
    clip: float = 3.0

    def __post_init__(self):
        super().__post_init__()
        for key in ("temperature", "temperature_min", "temperature_max", "clip"):
            check_positive(f"method.{key}", getattr(self, key))
        for key in ("rho", "eta"):
            check_not_negative(f"method.{key}", getattr(self, key))
        for key in ("gamma", "beta"):
            check_share(f"method.{key}", getattr(self, key))
        if not self.temperature_min <= self.temperature <= self.temperature_max:
            raise UserError(
                f"method.temperature={self.temperature} is impossible: it lies between "
                f"method.temperature_min={self.temperature_min} and "
                f"method.temperature_max={self.temperature_max}"
            )

    def init(self, key, views, data):
        """See `Method.init`; no example was seen yet."""
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)  # as the loss
        first = {"log_estimates": -jnp.inf, "temperatures": self.temperature, "velocities": 0.0}
        row = {name: jnp.asarray(value, dtype) for name, value in first.items()}
        return super().init(key, views, data)._replace(method_state=table.start(data.examples, row))

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The loss, with the estimates of earlier batches; see `Method.objective`.

        The metric `temperature` is the mean of the batch's new temperatures.
        """
        z0, z1 = pair_of(embeddings)
        seen = table.read(variables.method_state, batch["index"])
        loss, log_estimates, gradients = isogclr_loss(
            z0,
            z1,
            seen["log_estimates"],
            seen["temperatures"],
            gamma=self.gamma,
            rho=self.rho,
            mesh=mesh,
        )
        gradients = jnp.clip(gradients, -self.clip, self.clip)
        velocities = (1 - self.beta) * seen["velocities"] + self.beta * gradients
        rows = {
            "log_estimates": log_estimates,
            "temperatures": jnp.clip(
                seen["temperatures"] - self.eta * velocities,
                self.temperature_min,
                self.temperature_max,
            ),
            "velocities": velocities,
        }
        metrics = {**two_view_diagnostics(z0, z1), "temperature": rows["temperatures"].mean()}
        return Outcome(loss, metrics, {"index": batch["index"], "rows": rows})

    def after_update(self, variables, carry, clock):
        """Writes the rows of the batch's examples; the others do not change."""
        written = table.write(variables.method_state, carry["index"], carry["rows"])
        return variables._replace(method_state=written)


class ISogCLRLoss(NamedTuple):
    """What `isogclr_loss` returns."""

    loss: Float[Array, ""]
    log_estimates: Float[Array, " B"]  # new, without gradient
    temperature_gradients: Float[Array, " B"]


def isogclr_loss(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    log_estimates: Float[Array, " B"],
    temperatures: Float[Array, " B"],
    *,
    gamma: float,
    rho: float,
    mesh: Mesh | None,
) -> ISogCLRLoss:
    """The loss of `jcl.losses.sogclr` with a temperature t[e] for every example e.

    With the names of `jcl.losses.sogclr`::

        g_i = mean_{j not in {i, p(i)}} exp(sim(z_i, z_j) / t[e(i)])
        u_i = (1 - gamma) u[e(i)] + gamma g_i,  or g_i where e(i) was never seen
        l_i = -sim(z_i, z_p(i)) + t[e(i)] log u_i
        d_i = log u_i + rho - mean_j exp(sim(z_i, z_j) / t[e(i)]) / u_i * sim(z_i, z_j) / t[e(i)]

    The value is the mean of l_i. The paper's term t rho is left out, because it has no gradient for
    embeddings. In the gradient, `log u_i` counts as `g_i / u_i` with a constant `u_i`. d_i is the
    derivative by the temperature: if u_i = g_i, it is rho minus the divergence of the negatives'
    weights from uniform weights.

    Args:
        z0: first view of every example, raw.
        z1: second view, in the same order; B >= 2.
        log_estimates: log u of these examples; -inf for an example that was never seen.
        temperatures: t of these examples. They get no gradient.
        gamma: weight of the batch in the new estimates.
        rho: see `ISogCLR`.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Raises:
        UserError: B is 1, so there are no negatives.
    """
    batch = len(z0)
    if batch < 2:
        raise UserError(
            "batch_size=1 leaves method.name='isogclr' no negatives; it needs 2 or more"
        )
    z = jnp.stack([unit_rows(z0), unit_rows(z1)], axis=1).reshape(2 * batch, -1)
    temperature = stop_gradient(temperatures).astype(z.dtype)
    anchors = z, jnp.repeat(temperature, 2)
    log_g, positive, mean_logit = map_rows(_anchor, anchors, z, (), mesh=mesh, block_size=None)
    log_g, positive, mean_logit = (x.reshape(batch, 2) for x in (log_g, positive, mean_logit))
    log_u = log_average(log_estimates.astype(z.dtype)[:, None], log_g, gamma)
    loss = temperature[:, None] * log_with_gradient_of(log_u, log_g) - positive
    share = jnp.exp(stop_gradient(log_g) - log_u)
    gradients = log_u + rho - share * stop_gradient(mean_logit)
    return ISogCLRLoss(loss.mean(), logmeanexp(log_u, axis=1), gradients.mean(1))


def _anchor(index, anchor, keys, _):
    """Log g, the positive's cosine, and the mean logit of the negatives under their weights."""
    z, temperature = anchor
    cosines = inner_products(z, keys)
    position = jnp.arange(len(keys))
    negative = position // 2 != index // 2
    logits = cosines / temperature
    positive = jnp.sum(jnp.where(position == (index ^ 1), cosines, 0))
    weights = jax.nn.softmax(stop_gradient(logits), where=negative)
    return logmeanexp(logits, where=negative), positive, jnp.sum(weights * logits)
