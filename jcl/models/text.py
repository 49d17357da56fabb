"""Encoders of texts that are token ids already."""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Shaped

from jcl.config.checks import check_count
from jcl.errors import UserError
from jcl.models.vit import TransformerBlock

# {"ids": int32 [N, L], "mask": bool [N, L]}, the mask False where a text has ended.
Text = Mapping[str, Shaped[Array, "N L"]]

_OF_CLIP = 49_408  # token ids of CLIP's tokeniser


class TokenEmbedding(nn.Module):
    """A learned vector for each token id.

    What ids the padding has changes nothing. An id of a token outside the vocabulary gives NaN,
    because clamping it, as gathers do, would train on another token without a word.

    Attributes:
        vocabulary: ids lie in 0...vocabulary - 1; None takes the 49,408 of CLIP's tokeniser.
        width: of a vector.
        dtype: of what it returns.
        param_dtype: of parameters.
    """

    vocabulary: int | None
    width: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, text: Text) -> Float[Array, "N L D"]:
        """Maps ids to vectors; those of the padding are finite and mean nothing."""
        size = _OF_CLIP if self.vocabulary is None else self.vocabulary
        shape = (size, self.width)
        table = self.param("embedding", nn.initializers.normal(0.02), shape, self.param_dtype)
        ids = jnp.where(text["mask"], text["ids"], 0)
        ids = jnp.where(ids < 0, size, ids)  # negative ids would count from the end
        return jnp.take(table, ids, axis=0, mode="fill", fill_value=jnp.nan).astype(self.dtype)


class TokenTransformer(nn.Module):
    """Token embeddings, learned positions, Transformer blocks, LayerNorm, mean over the tokens.

    Every token attends to all tokens of its text. The blocks and their initialisation are those of
    `jcl.models.vit.ViT`. Take `TokenBag` where the order of words says nothing: it costs next to
    nothing.

    Source: Radford et al. 2021 (CLIP), section 2.4, whose text encoder attends to earlier tokens
    alone and takes the last one instead of the mean. Initialisation of embeddings: Radford et al.
    2019 (GPT-2), a standard deviation of 0.02.

    Attributes:
        vocabulary: token ids lie in 0...vocabulary - 1; others give NaN. None takes those of the
            run's tokenizer; where examples hold token ids already, the 49,408 of CLIP's.
        width: of the tokens and of the features.
        depth: number of blocks.
        heads: of each attention; they divide the width.
        max_length: most tokens that a text can have, its padding included.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option, or texts that are longer.
    """

    vocabulary: int | None = None
    width: int = 256
    depth: int = 4
    heads: int = 4
    max_length: int = 77
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        for key in ("vocabulary", "width", "depth", "heads", "max_length"):
            check_count(f"text_encoder.{key}", getattr(self, key))
        if self.width % self.heads:
            raise UserError(
                f"text_encoder.heads={self.heads} is impossible: "
                f"it does not divide text_encoder.width={self.width}"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, text: Text, *, train: bool) -> Float[Array, "N D"]:
        """Maps texts to features.

        Args:
            text: ids and mask [N, L]. The padding may hold any ids. A text without a token has
                features of zero.
            train: changes nothing here; there is no BatchNorm and no dropout.
        """
        del train
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        length, mask = text["ids"].shape[1], text["mask"]
        if length > self.max_length:
            raise UserError(
                f"texts have {length} tokens with their padding, and "
                f"text_encoder.max_length={self.max_length}"
            )
        x = TokenEmbedding(self.vocabulary, self.width, name="token_embedding", **types)(text)
        positions = self.param(
            "position_embedding",
            nn.initializers.normal(0.02),
            (self.max_length, self.width),
            self.param_dtype,
        )
        x = x + positions[:length].astype(self.dtype)
        for i in range(self.depth):
            x = TransformerBlock(self.heads, name=f"block{i}", **types)(x, mask)
        return _mean(nn.LayerNorm(epsilon=1e-6, name="final_norm", **types)(x), mask)


class TokenBag(nn.Module):
    """The mean of the token embeddings, LayerNorm, Dense layers with the exact GELU.

    It does not see the order of the tokens, unlike `TokenTransformer`.

    Source: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification", section 3, without its word dropout. The LayerNorm is ours: embeddings are
    small at first.

    Attributes:
        vocabulary: token ids lie in 0...vocabulary - 1; others give NaN. None takes those of the
            run's tokenizer; where examples hold token ids already, the 49,408 of CLIP's.
        width: of the embeddings, of each layer and of the features.
        layers: Dense layers after the mean.
        dtype: what it computes in.
        param_dtype: of parameters.

    Raises:
        UserError: an impossible option.
    """

    vocabulary: int | None = None
    width: int = 256
    layers: int = 1
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self):
        for key in ("vocabulary", "width", "layers"):
            check_count(f"text_encoder.{key}", getattr(self, key))
        super().__post_init__()

    @nn.compact
    def __call__(self, text: Text, *, train: bool) -> Float[Array, "N D"]:
        """Maps texts to features.

        Args:
            text: ids and mask [N, L]. The padding may hold any ids. A text without a token has the
                mean zero.
            train: changes nothing here; there is no BatchNorm and no dropout.
        """
        del train
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = TokenEmbedding(self.vocabulary, self.width, name="token_embedding", **types)(text)
        x = nn.LayerNorm(epsilon=1e-6, name="norm", **types)(_mean(x, text["mask"]))
        for i in range(self.layers):
            x = nn.gelu(nn.Dense(self.width, name=f"dense{i}", **types)(x), approximate=False)
        return x


def _mean(x: Float[Array, "N L D"], mask: Bool[Array, "N L"]) -> Float[Array, "N D"]:
    """Over the tokens that the mask keeps; zero where it keeps none."""
    count = jnp.maximum(mask.sum(1, keepdims=True), 1).astype(x.dtype)
    return jnp.where(mask[..., None], x, 0).sum(1) / count
