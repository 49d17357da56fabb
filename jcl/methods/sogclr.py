"""SogCLR: contrast with the whole dataset by running estimates (Yuan et al. 2022)."""

import dataclasses

import jax
import jax.numpy as jnp

from jcl.config.checks import check_share
from jcl.losses import sogclr
from jcl.methods.base import Outcome
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class SogCLR(CosineContrast):
    """Contrast with the whole dataset by running estimates: see `jcl.losses.sogclr`.

    Take it for batches that are too small for SimCLR. iSogCLR also learns a temperature for each
    example. MoCo v2 has a queue instead, and momentum copies of the networks.

    The method's state is `log_estimates`, log u of every training example by its index, and -inf
    before the example's first visit.

    Reading: an estimate begins at the example's first visit. In the authors' code all estimates of
    a batch begin together, when the batch has only examples that were never visited.

    Attributes:
        temperature: cosines are divided by it; 0.1 in the paper for ImageNet, 0.3 for CIFAR.
        gamma: weight of the batch in an estimate; 0.9 in the published code, to be tuned within
            [0.1, 0.99].

    Source: Yuan et al. 2022, "Provable Stochastic Optimization for Global Contrastive Learning:
    Small Batch Does Not Harm Performance" (https://arxiv.org/abs/2202.12387), Alg. 1.
    """

    gamma: float = 0.9

    def __post_init__(self):
        super().__post_init__()
        check_share("method.gamma", self.gamma)

    def init(self, key, views, data):
        """See `Method.init`; no example was seen yet."""
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)  # as the loss
        never = {"log_estimates": jnp.asarray(-jnp.inf, dtype)}
        made = super().init(key, views, data)
        return made._replace(method_state=table.start(data.examples, never))

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The loss, with the estimates of earlier batches; see `Method.objective`.

        The metric `log_estimate` is the mean of the batch's new log u. Multiplied by the
        temperature, it has the scale of a similarity.
        """
        z0, z1 = pair_of(embeddings)
        index = batch["index"]
        loss, log_estimates = sogclr(
            z0,
            z1,
            table.read(variables.method_state, index)["log_estimates"],
            temperature=self.temperature,
            gamma=self.gamma,
            mesh=mesh,
        )
        metrics = {**two_view_diagnostics(z0, z1), "log_estimate": log_estimates.mean()}
        rows = {"log_estimates": log_estimates}
        return Outcome(loss, metrics, {"index": index, "rows": rows})

    def after_update(self, variables, carry, clock):
        """Writes the new estimates of the batch's examples; the others do not change."""
        estimates = table.write(variables.method_state, carry["index"], carry["rows"])
        return variables._replace(method_state=estimates)
