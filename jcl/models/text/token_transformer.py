"""A Transformer of tokens, initialised as jcl's ViT."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jcl.models.text.checks import check_transformer
from jcl.models.text.embedding import embedded
from jcl.models.text.encoder import TextEncoder
from jcl.models.text.pooling import mean_token
from jcl.models.transformer import TransformerBlock


class TokenTransformer(TextEncoder):
    """Token embeddings, learned positions, Transformer blocks, LayerNorm, mean over the tokens.

    Every token attends to all tokens of its text. The blocks and their initialisation are those of
    `jcl.models.vit.ViT`, and training from scratch is what they are for. Take `CLIPText` or `BERT`
    for networks as published, and `TokenBag` where the order of words says nothing.

    Source: Radford et al. 2021 (CLIP), section 2.4, whose text encoder attends to earlier tokens
    alone and takes the last one instead of the mean. Initialisation of embeddings: Radford et al.
    2019 (GPT-2), a standard deviation of 0.02.

    Attributes:
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        max_length: most tokens that a text can have, its padding included.
        dropout: share of the attention's weights, and of what is added, that is dropped.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option, or texts that are longer.
    """

    width: int = 256
    depth: int = 4
    heads: int = 4
    max_length: int = 77
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_transformer(self)
        super().__post_init__()

    def features(self, text, keys):
        """See `TextEncoder`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x, mask = embedded(self, text, deviation=0.02), text["mask"]
        for i in range(self.depth):
            block = TransformerBlock(self.heads, dropout=self.dropout, name=f"block{i}", **types)
            x = block(x, mask, keys)
        return mean_token(nn.LayerNorm(epsilon=1e-6, name="final_norm", **types)(x), mask)
