"""SimCSE: the positive of a sentence is the same sentence with another dropout (Gao 2021)."""

import dataclasses

from jcl.config.checks import check_positive
from jcl.errors import UserError
from jcl.losses import one_way_nce
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import several_view_diagnostics
from jcl.methods.parts.equal_views import mean_over_pairs
from jcl.methods.parts.text_chain import TextChain


@dataclasses.dataclass(frozen=True)
class SimCSE(TextChain):
    """Contrast of each text's two views against the batch (`jcl.losses.one_way_nce`).

    Take it for texts alone. CLIP and SigLIP are for pairs of an image and a text.

    Unsupervised: the views are equal copies (`views.name=text_copies`), and only the encoder's
    dropout differs. With `text_encoder.dropout=0` there is nothing to learn.

    Supervised: each example has three texts, which are its views (`views.name=texts`). The first
    text entails the second, which is its positive. The third is a hard negative, for every text of
    the batch.

    Probes use the features before the projector.

    Source: Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings"
    (https://arxiv.org/abs/2104.08821), Eq. 1, 4 and 5.

    Attributes:
        temperature: cosines are divided by it.
        hard_negatives: whether the last of three views is a hard negative.

    Raises:
        UserError: a temperature that is not positive, or another number of views.
    """

    temperature: float = 0.05
    hard_negatives: bool = False

    def __post_init__(self):
        check_positive("method.temperature", self.temperature)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw.

        Without hard negatives the loss is the mean over all pairs of views; the earlier view of a
        pair is the query, the later one the key.
        """
        options = {"temperature": self.temperature, "mesh": mesh}
        if not self.hard_negatives:
            loss = mean_over_pairs(lambda z0, z1: one_way_nce(z0, z1, **options), embeddings)
            return Outcome(loss, several_view_diagnostics(embeddings), {})
        count = embeddings.shape[1]
        if count != 3:
            raise UserError(
                "method.hard_negatives=True takes three views of an example, but the recipe of "
                f"views (views.name) makes {count}; views.name=texts takes the three texts of each"
            )
        text, positive, negative = (embeddings[:, view] for view in range(3))
        loss = one_way_nce(text, positive, negatives=negative, **options)
        return Outcome(loss, several_view_diagnostics(embeddings[:, :2]), {})
