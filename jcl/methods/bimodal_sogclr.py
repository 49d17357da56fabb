"""SogCLR of images and texts: contrast with the whole dataset (Yuan et al. 2022)."""

import dataclasses

import jax.numpy as jnp

from jcl.config.checks import check_positive, check_share
from jcl.losses import bimodal_sogclr
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_tower_diagnostics
from jcl.methods.parts.two_towers import TwoTowers


@dataclasses.dataclass(frozen=True)
class BimodalSogCLR(TwoTowers):
    """Two towers and running estimates: see `jcl.losses.bimodal_sogclr`.

    The method's state is log u of every training pair by its index, for `image` and `text`, and
    -inf before the pair's first visit. Take it instead of `clip` for small batches. `sogclr` is the
    same method for two views of an image.

    Attributes:
        temperature: cosines are divided by it; it is constant.
        gamma: weight of the batch in an estimate.

    Source: Yuan et al. 2022, "Provable Stochastic Optimization for Global Contrastive Learning:
    Small Batch Does Not Harm Performance" (https://arxiv.org/abs/2202.12387), for two towers as in
    FastCLIP (https://arxiv.org/abs/2407.01445), equation GCL.

    Raises:
        UserError: an impossible option, or views of images without texts.
    """

    temperature: float = 0.07
    gamma: float = 0.8

    def __post_init__(self):
        check_positive("method.temperature", self.temperature)
        check_share("method.gamma", self.gamma)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; no example was seen yet."""
        dtype = jnp.promote_types(views["image"].dtype, jnp.float32)  # as the loss
        never = {kind: jnp.asarray(-jnp.inf, dtype) for kind in self.needs}
        made = super().init(key, views, data)
        return made._replace(method_state=table.start(data.examples, never))

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The loss, with the estimates of earlier batches; see `Method.objective`.

        The metric `log_estimate` is the mean of the batch's new log u.
        """
        image, text = (embeddings[kind] for kind in self.needs)
        index = batch["index"]
        seen = table.read(variables.method_state, index)
        loss, *estimates = bimodal_sogclr(
            image,
            text,
            *(seen[kind] for kind in self.needs),
            temperature=self.temperature,
            gamma=self.gamma,
            mesh=mesh,
        )
        rows = dict(zip(self.needs, estimates, strict=True))
        log_estimate = (rows["image"].mean() + rows["text"].mean()) / 2
        metrics = {**two_tower_diagnostics(image, text), "log_estimate": log_estimate}
        return Outcome(loss, metrics, {"index": index, "rows": rows})

    def after_update(self, variables, carry, clock) -> Variables:
        """Writes the new estimates of the batch's pairs; the others do not change."""
        estimates = table.write(variables.method_state, carry["index"], carry["rows"])
        return variables._replace(method_state=estimates)
