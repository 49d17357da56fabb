"""SupReMix: contrast in the order of continuous targets, with mixtures (Wu et al. 2023)."""

import dataclasses
import math
from collections.abc import Sequence

from jcl.config.checks import check_positive
from jcl.errors import UserError
from jcl.losses import supremix
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.targets import NO_ORDER, Binned
from jcl.methods.parts.two_view import CosineContrast, pair_of

_MOST_BINS = 64  # within the window; the authors' code has 5


@dataclasses.dataclass(frozen=True)
class SupReMix(Binned, CosineContrast):
    """SupCon in the order of targets, with mixtures: see `jcl.losses.supremix`.

    Take it for continuous targets whose distances mean something. Rank-N-Contrast uses only the
    order of these distances, and ConR adds a contrast to L1. Without both kinds of mixtures,
    SupReMix is SupCon with weights that grow with the distance of targets.

    The weights depend on the target's unit, and the defaults are the authors' for ages in years.
    Choose a unit in which targets span about a hundred.

    Reading: targets are rounded to multiples of `bin_width`. Three inconsistencies of the released
    code are left out (`jcl.losses.supremix`).

    Attributes:
        temperature: cosines are divided by it; 0.5, 0.3 and 0.1 in the authors' code
            (AgeDB, IMDB-WIKI, STS-B).
        window: largest distance from the anchor's target to the two parts of a mixed positive, in
            units of the target.
        bin_width: targets are rounded to multiples of it.
        mix_neg: whether there are mixed negatives.
        mix_pos: whether there are mixed positives.
        beta: parameters of the distribution of the anchor's share in a mixed negative.

    Source: Wu et al. 2023, "Mixup Your Own Pairs" (https://arxiv.org/abs/2309.16633).
    """

    temperature: float = 0.5
    window: float = 5.0
    bin_width: float = 1.0
    mix_neg: bool = True
    mix_pos: bool = True
    beta: Sequence[float | int] = (2.0, 8.0)
    instead = NO_ORDER

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.window", self.window)
        if len(self.beta) != 2 or not all(
            isinstance(b, int | float) and 0 < b < math.inf for b in self.beta
        ):
            raise UserError(
                f"method.beta={tuple(self.beta)} is impossible: give two positive numbers"
            )
        reach = self.window / self.bin_width
        if self.mix_pos and reach > _MOST_BINS:
            raise UserError(
                f"method.window={self.window} holds {reach:.0f} bins of method.bin_width="
                f"{self.bin_width}, but may hold at most {_MOST_BINS}, because time grows with "
                "their square"
            )

    @property
    def needs(self):
        """Numbers whose order and distances mean something; class labels have neither."""
        return ("target",)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """SupReMix over the global batch; `key` draws the mixtures."""
        z0, z1 = pair_of(embeddings)
        loss = supremix(
            z0,
            z1,
            batch["target"],
            key,
            temperature=self.temperature,
            window=self.window,
            bin_width=self.bin_width,
            mix_neg=self.mix_neg,
            mix_pos=self.mix_pos,
            beta=self.beta,
            mesh=mesh,
        )
        return Outcome(loss, two_view_diagnostics(z0, z1), {})
