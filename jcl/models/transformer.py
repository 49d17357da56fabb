"""The blocks of Transformers: pre-norm and post-norm."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from jcl.models.activations import ACTIVATIONS
from jcl.models.attention import SelfAttention
from jcl.models.dropout import Dropout

Initializer = nn.initializers.Initializer


class Kernels(NamedTuple):
    """The initialisers of a block's kernels; biases are initially zero."""

    attention: Initializer  # of queries, keys and values
    attention_output: Initializer
    hidden: Initializer  # of the MLP's first layer
    output: Initializer  # of the MLP's second layer


XAVIER = Kernels(*[nn.initializers.xavier_uniform()] * 4)


class TransformerBlock(nn.Module):
    """LayerNorm and self-attention, then LayerNorm and an MLP, each added to its input.

    The MLP has a hidden layer four times as wide. `PostNormBlock` has its norms after the sums.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", Eq. (2) and (3). Layer scale:
    Touvron et al. 2021, "Going deeper with Image Transformers", Eq. (4).

    Attributes:
        heads: of the attention.
        causal: whether a token attends only to itself and earlier tokens.
        activation: of the MLP, a name of `jcl.models.activations`.
        epsilon: of the norms.
        dropout: share of the attention's weights, and of the two added terms, that is dropped.
        layer_scale: initial value of a learned factor of each channel of attention and MLP, before
            they are added. None: no factor.
        kernels: initialisers of the kernels.
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    heads: int
    causal: bool = False
    activation: str = "exact_gelu"
    epsilon: float = 1e-6
    dropout: float = 0.0
    layer_scale: float | None = None
    kernels: Kernels = XAVIER
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N T D"],
        mask: Bool[Array, "N T"] | None = None,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N T D"]:
        """Maps tokens to tokens; mask and keys are those of `SelfAttention`."""
        y = _norm(self, "attention_norm")(x)
        x = x + self._scaled("attention_scale", _attention(self, y, mask, keys))
        return x + self._scaled("mlp_scale", _mlp(self, _norm(self, "mlp_norm")(x), keys))

    def _scaled(self, name: str, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        if self.layer_scale is None:
            return x
        init = nn.initializers.constant(self.layer_scale)
        return x * self.param(name, init, x.shape[-1:], self.param_dtype).astype(x.dtype)


class PostNormBlock(nn.Module):
    """Self-attention and an MLP, each added to its input, with LayerNorm after each sum.

    The parameters have the names, shapes and roles of those of `TransformerBlock`.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.1; as in BERT (Devlin et al.
    2019).

    Attributes:
        heads: of the attention.
        causal: whether a token attends only to itself and earlier tokens.
        activation: of the MLP, a name of `jcl.models.activations`.
        epsilon: of the norms.
        dropout: share of the attention's weights, and of the two added terms, that is dropped.
        kernels: initialisers of the kernels.
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    heads: int
    causal: bool = False
    activation: str = "exact_gelu"
    epsilon: float = 1e-12
    dropout: float = 0.0
    kernels: Kernels = XAVIER
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N T D"],
        mask: Bool[Array, "N T"] | None = None,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N T D"]:
        """Maps tokens to tokens; mask and keys are those of `SelfAttention`."""
        x = _norm(self, "attention_norm")(x + _attention(self, x, mask, keys))
        return _norm(self, "mlp_norm")(x + _mlp(self, x, keys))


Block = TransformerBlock | PostNormBlock


def _types(block: Block) -> dict[str, DTypeLike]:
    return {"dtype": block.dtype, "param_dtype": block.param_dtype}


def _norm(block: Block, name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=block.epsilon, name=name, **_types(block))


def _attention(block: Block, x, mask, keys) -> Float[Array, "N T D"]:
    attention = SelfAttention(
        block.heads,
        causal=block.causal,
        dropout=block.dropout,
        kernel_init=block.kernels.attention,
        output_init=block.kernels.attention_output,
        name="attention",
        **_types(block),
    )
    y = attention(x, mask, keys)
    return Dropout(block.dropout, name="attention_dropout")(y, keys=keys)


def _mlp(block: Block, x, keys) -> Float[Array, "N T D"]:
    def dense(width, kernel_init, name):
        return nn.Dense(width, kernel_init=kernel_init, name=name, **_types(block))

    width = x.shape[-1]
    y = dense(4 * width, block.kernels.hidden, "mlp_hidden")(x)
    y = ACTIVATIONS[block.activation](y)
    y = dense(width, block.kernels.output, "mlp_output")(y)
    return Dropout(block.dropout, name="mlp_dropout")(y, keys=keys)
