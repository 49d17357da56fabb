"""BERT."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from jcl.config.checks import check_choice
from jcl.models.dropout import Dropout
from jcl.models.text.checks import check_transformer
from jcl.models.text.embedding import embedded
from jcl.models.text.encoder import TextEncoder
from jcl.models.text.pooling import first_token, mean_token
from jcl.models.transformer import Kernels, PostNormBlock

POOLINGS = {"cls": first_token, "mean": mean_token}

EPSILON = 1e-12  # of all norms

_NORMAL = nn.initializers.truncated_normal(0.02)


class BERT(TextEncoder):
    """Embeddings and their LayerNorm, post-norm Transformer blocks, one token or the mean.

    Every token attends to all tokens of its text. The first token is the one that the tokenizer
    puts before a text, `[CLS]` with BERT's own. BERT's segment embedding is one vector for all
    tokens of a single text: there is none here, and weights from elsewhere have it in their
    `position_embedding` (`init_from`). BERT's "pooler", a Dense layer and tanh, is a projector
    (`text_projector.name=dense_tanh`).

    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
    Understanding", section 3, and the code released with it (exact GELU, an epsilon of 1e-12,
    truncated normal kernels of 0.02 before truncation).

    Attributes:
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        max_length: most tokens that a text can have, its padding included.
        pooling: what the features are. cls: the first token; mean: the mean over the tokens.
        dropout: share of the embeddings, of the attention's weights, and of what is added, that is
            dropped.
        remat: compute every block again in the backward pass instead of keeping what is inside it.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option, or texts that are longer.
    """

    width: int = 768
    depth: int = 12
    heads: int = 12
    max_length: int = 512
    pooling: str = "cls"
    dropout: float = 0.1
    remat: bool = False
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        check_transformer(self)
        check_choice("text_encoder.pooling", self.pooling, POOLINGS)
        super().__post_init__()

    def features(self, text, keys):
        """See `TextEncoder`."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x, mask = embedded(self, text, deviation=0.02), text["mask"]
        x = nn.LayerNorm(epsilon=EPSILON, name="embedding_norm", **types)(x)
        x = Dropout(self.dropout, name="embedding_dropout")(x, keys=keys)
        block = nn.remat(PostNormBlock) if self.remat else PostNormBlock
        for i in range(self.depth):
            x = block(
                self.heads,
                epsilon=EPSILON,
                dropout=self.dropout,
                kernels=Kernels(*[_NORMAL] * 4),
                name=f"block{i}",
                **types,
            )(x, mask, keys)
        return POOLINGS[self.pooling](x, mask)
