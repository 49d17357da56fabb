"""SigLIP: every pair of an image and a text is classified by itself (Zhai et al. 2023)."""

import dataclasses
import math

import jax.numpy as jnp

from jcl.config.checks import check_positive
from jcl.losses import siglip
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts.diagnostics import two_tower_diagnostics
from jcl.methods.parts.two_towers import TwoTowers


@dataclasses.dataclass(frozen=True)
class SigLIP(TwoTowers):
    """The sigmoid loss of two towers (`jcl.losses.siglip`) with learned temperature and bias.

    The parameters `log_scale`, log(1 / temperature), and `logit_bias` have no weight decay. Neither
    is clipped, unlike CLIP's scale.

    Take this instead of `clip` for very small or very large batches: there is no softmax over the
    pairs of a batch.

    Source: Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training"
    (https://arxiv.org/abs/2303.15343), sections 3.2 and 4, algorithm 1.

    Attributes:
        temperature: cosines are divided by it; this is the initial value of a learned parameter.
        bias: added to every logit; this is the initial value of a learned parameter. Most pairs are
            negative, and -10 classifies them as negative from the start.

    Raises:
        UserError: a temperature that is not positive, or views of images without texts.
    """

    temperature: float = 0.1
    bias: float = -10.0

    def __post_init__(self):
        check_positive("method.temperature", self.temperature)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; views of the kinds "image" and "text"."""
        made = super().init(key, views, data)
        dtype = jnp.promote_types(views["image"].dtype, jnp.float32)  # as the loss
        learned = {"log_scale": -math.log(self.temperature), "logit_bias": self.bias}
        learned = {name: jnp.asarray(value, dtype) for name, value in learned.items()}
        return made._replace(params=made.params | learned)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; the metrics `temperature` and `bias` are those of this loss."""
        learned = {
            "temperature": jnp.exp(-variables.params["log_scale"]),
            "bias": variables.params["logit_bias"],
        }
        image, text = (embeddings[kind] for kind in self.needs)
        loss = siglip(image, text, **learned, mesh=mesh)
        return Outcome(loss, {**two_tower_diagnostics(image, text), **learned}, {})
