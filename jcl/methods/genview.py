"""GenView's loss: pairs are weighted by a quality stored in the dataset (Li et al. 2024)."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.config.checks import check_not_negative
from jcl.losses import nt_xent
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.known import one_each
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class GenView(CosineContrast):
    """SimCLR in which better pairs weigh more; examples have a `quality`.

    Weights are B softmax(gamma quality) over the global batch, so that their mean is 1. Take it for
    stored second views of different quality, such as generated ones (`views.name="partners"`), if
    their quality is known, for example from a frozen network. DBPM finds bad pairs by their losses.

    Formula: mean_i w_i l_i, l_i the NT-Xent of pair i, w = B softmax(gamma quality)

    Reading: qualities are stored, not computed while training.

    Attributes:
        temperature: cosines are divided by it.
        gamma: qualities are multiplied by it; 0 is SimCLR. The paper's qualities are differences of
            cosines, and its gamma is 1.

    Source: Li et al. 2024, "GenView: Enhancing View Quality with Pretrained Generative Model for
    Self-Supervised Learning" (https://arxiv.org/abs/2403.12003), Sec. 3.3. The paper computes
    qualities while training; here they are stored.
    """

    gamma: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_not_negative("method.gamma", self.gamma)

    @property
    def needs(self):
        """A number for each pair."""
        return ("quality",)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; the metric `largest_weight` is that of the batch."""
        z0, z1 = pair_of(embeddings)
        dtype = jnp.promote_types(embeddings.dtype, jnp.float32)  # bfloat16 would round qualities
        weights = weights_of(one_each(batch, "quality").astype(dtype), self.gamma)
        loss = nt_xent(z0, z1, temperature=self.temperature, weights=weights, mesh=mesh)
        metrics = {**two_view_diagnostics(z0, z1), "largest_weight": weights.max()}
        return Outcome(loss, metrics, {})


def weights_of(quality: Float[Array, " B"], gamma: float) -> Float[Array, " B"]:
    """B softmax(gamma quality): the weights of a batch's pairs, whose mean is 1."""
    return len(quality) * jax.nn.softmax(gamma * quality)
