"""The text encoder of CLIP."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jcl.config.checks import check_choice
from jcl.models.text.checks import check_transformer
from jcl.models.text.embedding import embedded
from jcl.models.text.encoder import TextEncoder
from jcl.models.text.pooling import last_token
from jcl.models.transformer import Kernels, TransformerBlock

ACTIVATIONS = ("quick_gelu", "exact_gelu")
EPSILON = 1e-5  # of all norms


class CLIPText(TextEncoder):
    """Causal Transformer blocks, LayerNorm, and the last token of the text.

    A token attends to itself and those before it, so that the token for the end of a text, which
    the tokenizer puts there, is the one that has seen all of it. The linear layer that follows it
    in CLIP is the projector (`text_projector.layers=1`, `text_projector.output_bias=False`).

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
    Supervision", section 2.4. Initialisation, "quick" GELU and the norms' epsilon: the code
    released with it, whose MLPs have small random biases at first where these have zero.

    Attributes:
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        max_length: most tokens that a text can have, its padding included.
        activation: of the MLPs: quick_gelu, as released by OpenAI, or exact_gelu, as OpenCLIP
            trains since.
        dropout: share of the attention's weights, and of what is added, that is dropped; CLIP drops
            nothing.
        remat: compute every block again in the backward pass instead of keeping what is inside it.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option, or texts that are longer.
    """

    width: int = 512
    depth: int = 12
    heads: int = 8
    max_length: int = 77
    activation: str = "quick_gelu"
    dropout: float = 0.0
    remat: bool = False
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_transformer(self)
        check_choice("text_encoder.activation", self.activation, ACTIVATIONS)
        super().__post_init__()

    def features(self, text, keys):
        """See `TextEncoder`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x, mask = embedded(self, text, deviation=0.01), text["mask"]
        block = nn.remat(TransformerBlock) if self.remat else TransformerBlock
        for i in range(self.depth):
            x = block(
                self.heads,
                causal=True,
                activation=self.activation,
                epsilon=EPSILON,
                dropout=self.dropout,
                kernels=_kernels(self.width, self.depth),
                name=f"block{i}",
                **types,
            )(x, mask, keys)
        return last_token(nn.LayerNorm(epsilon=EPSILON, name="final_norm", **types)(x), mask)


def _kernels(width: int, depth: int) -> Kernels:
    """What is added to the stream is small in proportion to how often something is added."""
    into, normal = width**-0.5, nn.initializers.normal
    added = normal(into * (2 * depth) ** -0.5)
    return Kernels(
        attention=normal(into),
        attention_output=added,
        hidden=normal((2 * width) ** -0.5),
        output=added,
    )
