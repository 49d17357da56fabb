"""Vectors for token ids and for their places."""

from collections.abc import Mapping

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jcl.errors import UserError

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


def embedded(encoder: nn.Module, text: Text, *, deviation: float) -> Float[Array, "N L D"]:
    """The sum of token embeddings and learned positions, inside the call of a text encoder.

    Args:
        encoder: gets the parameters `token_embedding` and `position_embedding`; it has the options
            `vocabulary`, `width` and `max_length`.
        text: of up to `max_length` tokens with the padding.
        deviation: standard deviation of the positions at first; that of the tokens is 0.02.

    Raises:
        UserError: texts that are longer.
    """
    length, most = text["ids"].shape[1], encoder.max_length
    if length > most:
        raise UserError(
            f"texts have {length} tokens with their padding, and text_encoder.max_length={most}; "
            "data.text_length cuts texts that are strings"
        )
    types = {"dtype": encoder.dtype, "param_dtype": encoder.param_dtype}
    embedding = TokenEmbedding(encoder.vocabulary, encoder.width, name="token_embedding", **types)
    x = embedding(text)
    positions = encoder.param(
        "position_embedding",
        nn.initializers.normal(deviation),
        (most, encoder.width),
        encoder.param_dtype,
    )
    return x + positions[:length].astype(encoder.dtype)
