"""Supervised training with class labels: the baseline of contrastive methods for classes."""

import dataclasses

import jax.numpy as jnp
import optax

from jcl.methods.base import Outcome
from jcl.methods.parts.supervised import Supervised


@dataclasses.dataclass(frozen=True)
class CrossEntropy(Supervised):
    """Softmax cross-entropy of a linear head's logits, averaged over views.

    Take it as the baseline of methods that use classes, or to train a classifier. SupCon trains
    features without a classifier. Core-tuning fine-tunes an encoder that is trained already.

    Formula: mean_i -log softmax(logits_i)[label_i]

    Attributes:
        n_classes: of the dataset.

    Source: none; the usual loss of classification.
    """

    n_classes: int | None

    @property
    def needs(self):
        """Classes."""
        return ("label",)

    @property
    def outputs_of_head(self) -> int:
        """One logit per class; one without a dataset, when only features are read."""
        return self.n_classes or 1

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """Mean cross-entropy over examples and views; embeddings are logits [B, V, C]."""
        logits = embeddings.astype(jnp.promote_types(embeddings.dtype, jnp.float32))
        labels = batch["label"][:, None].repeat(logits.shape[1], axis=1)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        accuracy = (logits.argmax(-1) == labels).mean()
        return Outcome(losses.mean(), {"accuracy": accuracy}, {})
