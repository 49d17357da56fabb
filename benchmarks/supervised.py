"""The ceiling for an encoder: the same network and views, trained with the labels.

python -m jcl.train --config=configs/supervised_shapes.py --workdir=runs/supervised_shapes

It is also an example of a method that lives outside jcl.
"""

import dataclasses

import optax

from jcl.methods.base import Outcome
from jcl.methods.two_view import TwoViewNetworks


@dataclasses.dataclass(frozen=True)
class Supervised(TwoViewNetworks):
    """Cross-entropy of both views' logits, which are the projector's first `n_classes` outputs.

    Attributes:
        n_classes: labels lie in [0, n_classes), at most the projector's output_dim.
    """

    n_classes: int = 10

    def objective(self, params, embeddings, side, method_state, key, mesh) -> Outcome:
        """Mean cross-entropy over examples and views."""
        logits = embeddings[..., : self.n_classes]
        labels = side["label"][:, None].repeat(2, axis=1)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        accuracy = (logits.argmax(-1) == labels).mean()
        return Outcome(losses.mean(), {"accuracy": accuracy}, {})
