"""L1 with ConR, which pushes apart near predictions of far targets (Keramati et al. 2024)."""

import dataclasses

from jax.lax import stop_gradient

from jcl.config.checks import check_not_negative, check_positive
from jcl.losses import conr
from jcl.methods.base import Embedded, Outcome
from jcl.methods.parts.chain import embed_chain, views_of_inputs
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import pair_of
from jcl.methods.regression import L1, in_units, with_seen


@dataclasses.dataclass(frozen=True)
class ConR(L1):
    """Regression by L1, and a contrast of features: see `jcl.losses.conr`.

    Take it for imbalanced targets, for which L1 alone draws predictions of rare targets towards
    frequent ones. SupReMix and Rank-N-Contrast order features by targets and leave the regression
    to a probe.

    Predictions and targets are compared in the target's unit. An example may have a `weight`, such
    as the inverse density of its target, which multiplies the losses of its anchors in the
    contrast, and not L1.

    Formula: |prediction - target| + weight `conr`

    Reading: L1 is of standardised targets and has no weights of examples, which it has in the
    authors' code. That code also adds 1 to D_i for every pair that is not a positive, which is left
    out here.

    Attributes:
        temperature: cosines of features are divided by it; 0.07 in the released code, which ignores
            its own option.
        window: largest distance at which targets, or predictions, count as near, in units of the
            target; 1 year of age in the paper.
        push: growth rate of the weight of a wrongly near pair with the distance of its targets.
        weight: of the contrast beside L1; 4 in the paper, beside L1 of ages in years. Beside
            standardised L1, the same balance is 4 divided by the deviation of the targets.

    Source: Keramati et al. 2024, "ConR: Contrastive Regularizer for Deep Imbalanced Regression"
    (https://arxiv.org/abs/2309.06651), Eq. 3 and 4, and the released code. There L1 is of raw
    targets; here targets are standardised, so that `weight` does not depend on their unit.
    """

    temperature: float = 0.07
    window: float = 1.0
    push: float = 0.01
    weight: float = 4.0

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.temperature", self.temperature)
        for key in ("window", "push", "weight"):
            check_not_negative(f"method.{key}", getattr(self, key))

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings of L1, and `features` [B, V, D]."""
        params, model_state, _ = variables
        found, new = embed_chain(self.networks, params, model_state, views_of_inputs(views), keys)
        embeddings = with_seen(variables, found["head"][..., 0])
        embeddings["features"] = found["encoder"]
        return Embedded(embeddings, {}, {**model_state, **new})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """L1 plus `weight` times ConR, which takes the mean prediction of both views."""
        outcome = super().objective(variables, embeddings, batch, clock, key, mesh)
        f0, f1 = pair_of(embeddings["features"])
        contrast = conr(
            f0,
            f1,
            batch["target"],
            stop_gradient(in_units(embeddings, outcome.carry).mean(1)),
            temperature=self.temperature,
            window=self.window,
            push=self.push,
            weights=batch.get("weight"),
            mesh=mesh,
        )
        metrics = {**outcome.metrics, **two_view_diagnostics(f0, f1), "contrast": contrast}
        return outcome._replace(loss=outcome.loss + self.weight * contrast, metrics=metrics)
