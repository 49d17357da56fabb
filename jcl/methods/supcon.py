"""SupCon: examples of the same class are positives (Khosla et al. 2020)."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from jcl.losses import supcon
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.targets import Binned
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class SupCon(Binned, CosineContrast):
    """Examples of one class are positives: see `jcl.losses.supcon`.

    Take it for examples with one class each. SBCL is for classes of very different sizes, and
    `soft_labels` for several classes per example. SupReMix keeps the order of continuous targets.

    Attributes:
        temperature: cosines are divided by it; 0.1 in the paper.
        bin_width: None takes the dataset's labels as classes. A number takes the targets, rounded
            to multiples of this number, as classes. This is the SupCon that the papers of SupReMix
            and Rank-N-Contrast compare with.

    Source: Khosla et al. 2020, "Supervised Contrastive Learning"
    (https://arxiv.org/abs/2004.11362), Eq. 2.
    """

    instead: ClassVar = {"target": "only targets (method.bin_width makes classes of those)"}

    @property
    def needs(self):
        """Classes, or the targets that become classes."""
        return ("label",) if self.bin_width is None else ("target",)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """SupCon over the global batch."""
        z0, z1 = pair_of(embeddings)
        if self.bin_width is None:
            labels = batch["label"]
        else:
            bins = jnp.round(batch["target"] / self.bin_width) + 0.0  # -0.0 + 0.0 is 0.0
            # SupCon compares classes and nothing more. As a number, a bin may exceed all integers.
            labels = bins.view(f"int{8 * bins.dtype.itemsize}")
        loss = supcon(z0, z1, labels, temperature=self.temperature, mesh=mesh)
        return Outcome(loss, two_view_diagnostics(z0, z1), {})
