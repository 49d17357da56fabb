"""The blocks of Transformers: pre-norm and post-norm."""

import abc
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


class Block(nn.Module):
    """The parts that `TransformerBlock` and `PostNormBlock` share.

    The hidden layer of the MLP is four times as wide as the tokens.

    Attributes:
        heads: of the attention.
        causal: whether a token attends only to itself and earlier tokens.
        activation: of the MLP, a name of `jcl.models.activations`.
        epsilon: of the norms.
        dropout: share that is dropped of the attention's weights, and of the outputs of attention
            and MLP.
        kernels: the initialisers of all kernels.
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    heads: int
    causal: bool = False
    activation: str = "exact_gelu"
    epsilon: float = 1e-6
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
        return self.tokens(x, mask, keys)

    @abc.abstractmethod
    def tokens(self, x, mask, keys) -> Float[Array, "N T D"]:
        """Maps tokens to tokens, as `__call__` does."""

    def norm(self, name: str, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        """The LayerNorm of that name."""
        return nn.LayerNorm(epsilon=self.epsilon, name=name, **self._types)(x)

    def attended(self, x, mask, keys) -> Float[Array, "N T D"]:
        """The output of attention, which is added to the tokens."""
        attention = SelfAttention(
            self.heads,
            causal=self.causal,
            dropout=self.dropout,
            kernel_init=self.kernels.attention,
            output_init=self.kernels.attention_output,
            name="attention",
            **self._types,
        )
        y = attention(x, mask, keys)
        return Dropout(self.dropout, name="attention_dropout")(y, keys=keys)

    def mlp(self, x, keys) -> Float[Array, "N T D"]:
        """The output of the MLP, which is added to the tokens."""

        def dense(width, kernel_init, name):
            return nn.Dense(width, kernel_init=kernel_init, name=name, **self._types)

        width = x.shape[-1]
        y = dense(4 * width, self.kernels.hidden, "mlp_hidden")(x)
        y = ACTIVATIONS[self.activation](y)
        y = dense(width, self.kernels.output, "mlp_output")(y)
        return Dropout(self.dropout, name="mlp_dropout")(y, keys=keys)

    @property
    def _types(self) -> dict[str, DTypeLike]:
        return {"dtype": self.dtype, "param_dtype": self.param_dtype}


class TransformerBlock(Block):
    """LayerNorm and self-attention, then LayerNorm and an MLP; each output is added to its input.

    This is the block of ViT and CLIP. `PostNormBlock` has its norms after the sums.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words", Eq. (2) and (3). Layer scale:
    Touvron et al. 2021, "Going deeper with Image Transformers", Eq. (4).

    Attributes:
        layer_scale: initial value of a learned factor of each channel of the outputs of attention
            and MLP. None: no factor.
    """

    layer_scale: float | None = None

    def tokens(self, x, mask, keys):
        """See `Block`."""
        y = self.attended(self.norm("attention_norm", x), mask, keys)
        x = x + self._scaled("attention_scale", y)
        return x + self._scaled("mlp_scale", self.mlp(self.norm("mlp_norm", x), keys))

    def _scaled(self, name: str, x: Float[Array, "N T D"]) -> Float[Array, "N T D"]:
        if self.layer_scale is None:
            return x
        init = nn.initializers.constant(self.layer_scale)
        return x * self.param(name, init, x.shape[-1:], self.param_dtype).astype(x.dtype)


class PostNormBlock(Block):
    """Self-attention, then an MLP; each output is added to its input, and LayerNorm follows.

    The parameters have the names, shapes and roles of those of `TransformerBlock`.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.1; as in BERT (Devlin et al.
    2019).
    """

    def tokens(self, x, mask, keys):
        """See `Block`."""
        x = self.norm("attention_norm", x + self.attended(x, mask, keys))
        return self.norm("mlp_norm", x + self.mlp(x, keys))
