"""What the controls share that are trained with labels from end to end."""

import abc
import dataclasses

import flax.linen as nn
from jaxtyping import Array, Float

from jcl.methods.parts.chain import Chain
from jcl.models.linear_head import LinearHead


@dataclasses.dataclass(frozen=True)
class Supervised(Chain):
    """Encoder and linear head: what a contrastive method is compared with, all else equal.

    Both views of an example are examples of their own.
    """

    head_parts = ("head",)

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """How many numbers the head gives."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The encoder, and the head on its features."""
        # Not in bfloat16: it would round predictions to a hundredth of the targets' deviation.
        dtype = self.encoder.param_dtype
        head = LinearHead(self.outputs, dtype=dtype, param_dtype=dtype)
        return {"encoder": self.encoder, "head": head}

    def predict(self, params, model_state, inputs) -> Float[Array, "N outputs"]:
        """What the head says of images in [0, 1] or of vectors, statistics frozen."""
        features = self.features(params, model_state, inputs)
        head = {"params": params["head"]}
        return self.networks["head"].apply(head, features, train=False)
