"""The base of supervised baselines, trained end to end."""

import abc
import dataclasses
from typing import ClassVar

import flax.linen as nn
from jaxtyping import Array, Float

from jcl.methods.parts.chain import Chain, infer_chain, input_of
from jcl.models.linear_head import LinearHead


@dataclasses.dataclass(frozen=True)
class Supervised(Chain):
    """Encoder and linear head: the baseline of contrastive methods under equal conditions.

    Each view is treated as an example.
    """

    head_parts: ClassVar = ("head",)

    @property
    @abc.abstractmethod
    def outputs_of_head(self) -> int:
        """The number of outputs of the head."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The encoder, and the head on its features."""
        return {"encoder": self.encoder, "head": self._head(self.outputs_of_head)}

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """`features` [N, D], and the head's output for them, `prediction` [N, outputs].

        The prediction is missing if the parameters have no head. `map` is there if the encoder has
        a feature map.
        """
        networks = {"encoder": self.encoder}
        # The head may be left out if the data have other classes. Its shape gives the number of
        # outputs.
        if "head" in variables.params:
            networks["head"] = self._head(variables.params["head"]["dense"]["bias"].size)
        found = infer_chain(networks, *variables[:2], input_of(inputs))
        names = {"features": "encoder", "prediction": "head"}
        named = {name: found[network] for name, network in names.items() if network in found}
        return {**named, **self.map_of(variables, inputs)}

    def _head(self, outputs: int) -> nn.Module:
        # Not in bfloat16, which would round predictions to a hundredth of the targets' deviation.
        dtype = self.encoder.param_dtype
        return LinearHead(outputs, dtype=dtype, param_dtype=dtype)
