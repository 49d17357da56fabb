"""Multi-head self-attention."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Shaped

from jcl.models.dropout import drop, keys_of_layer

_XAVIER = nn.initializers.xavier_uniform()


class SelfAttention(nn.Module):
    """Every token attends to every token of its own image or text, or only to earlier ones.

    Queries, keys and values have separate kernels [D, D] and biases of rank one, as optimizers that
    treat every matrix separately (LARS) need. The softmax is computed in float32 if the rest is
    bfloat16, and in float64 if the rest is float64.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2. Default initialisation:
    Xavier uniform, as in the code released with MoCo v3 (Chen, Xie & He 2021).
    Dropout of the weights: Devlin et al. 2019 (BERT), in the code released with it.

    On NVIDIA GPUs, bfloat16 attention without a mask, causality or dropout uses cuDNN's fused
    attention, which does not keep the tokens x tokens matrix in memory.

    Attributes:
        heads: a divisor of D.
        causal: whether a token attends only to itself and earlier tokens.
        dropout: share of the attention's weights that are dropped.
        kernel_init: of the kernels of queries, keys and values.
        output_init: of the output's kernel.
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    heads: int
    causal: bool = False
    dropout: float = 0.0
    kernel_init: nn.initializers.Initializer = _XAVIER
    output_init: nn.initializers.Initializer = _XAVIER
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N T D"],
        mask: Bool[Array, "N T"] | None = None,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N T D"]:
        """Maps tokens to tokens.

        Args:
            x: tokens.
            mask: False for tokens that no token attends to; their own outputs have no meaning. None
                attends to all tokens.
            keys: of the dropout, one per image or text; None drops nothing.
        """

        def dense(name, kernel_init):
            return nn.Dense(
                x.shape[-1],
                kernel_init=kernel_init,
                dtype=self.dtype,
                param_dtype=self.param_dtype,
                name=name,
            )

        def split(name):
            y = dense(name, self.kernel_init)(x)
            return y.reshape(*y.shape[:2], self.heads, -1)

        query, key, value = map(split, ("query", "key", "value"))
        keys = None if keys is None else keys_of_layer(self.path, keys)
        options = {"causal": self.causal, "dropout": self.dropout}
        y = _attend(query, key, value, mask, keys, **options)
        return dense("output", self.output_init)(y.reshape(x.shape))


def _attend(
    query: Float[Array, "N T h d"],
    key: Float[Array, "N T h d"],
    value: Float[Array, "N T h d"],
    mask: Bool[Array, "N T"] | None,
    keys: Shaped[PRNGKeyArray, " N"] | None,
    *,
    causal: bool,
    dropout: float,
) -> Float[Array, "N T h d"]:
    # The T x T matrices are the largest arrays of the block and the cheapest to recompute.
    with_maps = jax.checkpoint(functools.partial(_with_maps, causal=causal, dropout=dropout))
    if mask is not None or keys is not None or causal or not _has_fused(query):
        return with_maps(query, key, value, mask, keys)

    def plain(query, key, value):
        return with_maps(query, key, value, None, None)

    # The program may be compiled for a CPU although this process has a GPU.
    return jax.lax.platform_dependent(query, key, value, cuda=_fused, default=plain)


def _has_fused(query: Float[Array, "N T h d"]) -> bool:
    """Whether cuDNN's fused attention can compute this on the GPUs of this process.

    JAX asks the process's own GPU what cuDNN supports. So a plan that is made on a CPU for GPUs
    contains the attention with T x T matrices, and needs more memory than the run will.
    """
    capability = getattr(jax.local_devices()[0], "compute_capability", "")  # AMD's are words
    is_suitable = capability in ("8.0", "9.0", "10.0")
    return is_suitable and query.dtype == jnp.bfloat16 and query.shape[-1] in range(8, 129, 8)


def _fused(
    query: Float[Array, "N T h d"],
    key: Float[Array, "N T h d"],
    value: Float[Array, "N T h d"],
    *,
    implementation: str = "cudnn",
) -> Float[Array, "N T h d"]:
    """Attention by cuDNN, without T x T matrices in memory.

    Numbers of tokens that are not multiples of 8 have given NaN in the backward pass of other
    programs. So tokens are padded, and cuDNN is told how many of them are real.
    """
    tokens = query.shape[1]
    padding = ((0, 0), (0, -tokens % 8), (0, 0), (0, 0))
    real = jnp.full(len(query), tokens, jnp.int32)
    y = jax.nn.dot_product_attention(
        *(jnp.pad(x, padding) for x in (query, key, value)),
        query_seq_lengths=real,
        key_value_seq_lengths=real,
        implementation=implementation,
    )
    return y[:, :tokens]


def _with_maps(
    query: Float[Array, "N T h d"],
    key: Float[Array, "N T h d"],
    value: Float[Array, "N T h d"],
    mask: Bool[Array, "N T"] | None,
    keys: Shaped[PRNGKeyArray, " N"] | None,
    *,
    causal: bool,
    dropout: float,
) -> Float[Array, "N T h d"]:
    # Not jax.nn.dot_product_attention: its softmax is float32 even for float64 inputs.
    logits = jnp.einsum("nthd,nshd->nhts", query * query.shape[-1] ** -0.5, key)
    wide = jnp.promote_types(value.dtype, jnp.float32)
    logits = logits.astype(wide)
    # Not -inf: if all tokens are masked, the softmax would be NaN.
    least = jnp.finfo(wide).min
    if mask is not None:
        logits = jnp.where(mask[:, None, None], logits, least)
    if causal:
        logits = jnp.where(jnp.tri(logits.shape[-1], dtype=bool), logits, least)
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    if keys is not None:
        weights = drop(weights, keys, dropout)
    return jnp.einsum("nhts,nshd->nthd", weights, value)
