"""A bag of tokens."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jcl.models.dropout import Dropout
from jcl.models.text.checks import check_counts_and_dropout
from jcl.models.text.embedding import TokenEmbedding
from jcl.models.text.encoder import TextEncoder
from jcl.models.text.pooling import mean_token


class TokenBag(TextEncoder):
    """The mean of the token embeddings, LayerNorm, Dense layers with the exact GELU.

    It does not see the order of the tokens, unlike the Transformers, and costs next to nothing.

    Source: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification", section 3, with dropout of values in the place of whole words. The LayerNorm is
    ours: embeddings are small at first.

    Attributes:
        width: of the embeddings, of each layer and of the features.
        layers: Dense layers after the mean.
        dropout: share of the values that is dropped after the LayerNorm and after each layer.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option.
    """

    width: int = 256
    layers: int = 1
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_counts_and_dropout(self, "vocabulary", "width", "layers")
        super().__post_init__()

    def features(self, text, keys):
        """See `TextEncoder`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = TokenEmbedding(self.vocabulary, self.width, name="token_embedding", **types)(text)
        x = nn.LayerNorm(epsilon=1e-6, name="norm", **types)(mean_token(x, text["mask"]))
        x = Dropout(self.dropout, name="dropout")(x, keys=keys)
        for i in range(self.layers):
            x = nn.gelu(nn.Dense(self.width, name=f"dense{i}", **types)(x), approximate=False)
            x = Dropout(self.dropout, name=f"dropout{i}")(x, keys=keys)
        return x
