"""Training with class labels from end to end: the control of contrastive methods for classes."""

import dataclasses

import jax.numpy as jnp
import optax

from jcl.methods.base import Outcome
from jcl.methods.parts.supervised import Supervised


@dataclasses.dataclass(frozen=True)
class CrossEntropy(Supervised):
    """Softmax cross-entropy of a linear head's logits, averaged over both views.

    Attributes:
        n_classes: of the dataset.
    """

    n_classes: int | None

    @property
    def needs(self):
        """Classes."""
        return ("label",)

    @property
    def outputs(self) -> int:
        """A logit a class; without a dataset, to read features alone, one."""
        return self.n_classes or 1

    def objective(self, params, embeddings, batch, method_state, key, mesh) -> Outcome:
        """Mean cross-entropy over examples and views; embeddings are logits [B, 2, C]."""
        del params, method_state, key, mesh
        logits = embeddings.astype(jnp.promote_types(embeddings.dtype, jnp.float32))
        labels = batch["label"][:, None].repeat(2, axis=1)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        accuracy = (logits.argmax(-1) == labels).mean()
        return Outcome(losses.mean(), {"accuracy": accuracy}, {})
