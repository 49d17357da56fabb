"""What the controls share that are trained with labels from end to end."""

import abc
import dataclasses
from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from jcl.methods.parts.chain import Chain
from jcl.models.linear_head import LinearHead


@dataclasses.dataclass(frozen=True)
class Supervised(Chain):
    """Encoder and linear head: what a contrastive method is compared with, all else equal.

    Both views of an example are examples of their own.
    """

    head_parts: ClassVar = ("head",)

    @property
    @abc.abstractmethod
    def outputs_of_head(self) -> int:
        """How many numbers the head gives."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The encoder, and the head on its features."""
        # Not in bfloat16: it would round predictions to a hundredth of the targets' deviation.
        dtype = self.encoder.param_dtype
        head = LinearHead(self.outputs_of_head, dtype=dtype, param_dtype=dtype)
        return {"encoder": self.encoder, "head": head}

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D], and what the head says of them, `prediction` [N, outputs]."""
        found = self.infer(variables, inputs, "encoder", "head")
        return {"features": found["encoder"], "prediction": found["head"]}
