"""Multi-head self-attention."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float


class SelfAttention(nn.Module):
    """Every token attends to every token of its own image or text.

    Queries, keys and values have kernels of their own, [D, D] each, and biases of rank one, which
    is what optimizers that treat every matrix by itself (LARS) need. The softmax is computed in
    float32 where the rest is bfloat16, and in float64 where that is asked.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2. Initialisation: Xavier
    uniform, as in the code released with MoCo v3 (Chen, Xie & He 2021).

    On NVIDIA GPUs bfloat16 without a mask takes cuDNN's fused attention, which keeps no map of
    tokens by tokens in memory.

    Attributes:
        heads: a divisor of D.
        dtype: what it computes in.
        param_dtype: of parameters.
    """

    heads: int
    dtype: DTypeLike = jnp.float32
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "N T D"], mask: Bool[Array, "N T"] | None = None
    ) -> Float[Array, "N T D"]:
        """Maps tokens to tokens.

        Args:
            x: tokens.
            mask: False for tokens that no token attends to; what becomes of them means nothing.
                None: there are none.
        """

        def dense(name):
            return nn.Dense(
                x.shape[-1],
                kernel_init=nn.initializers.xavier_uniform(),
                dtype=self.dtype,
                param_dtype=self.param_dtype,
                name=name,
            )

        def split(y):
            return y.reshape(*y.shape[:2], self.heads, -1)

        query, key, value = (split(dense(name)(x)) for name in ("query", "key", "value"))
        y = _attend(query, key, value, mask)
        return dense("output")(y.reshape(x.shape))


def _attend(
    query: Float[Array, "N T h d"],
    key: Float[Array, "N T h d"],
    value: Float[Array, "N T h d"],
    mask: Bool[Array, "N T"] | None,
) -> Float[Array, "N T h d"]:
    if mask is not None or not _has_fused(query):
        return _with_maps(query, key, value, mask)

    def without_mask(query, key, value):
        return _with_maps(query, key, value, None)

    # A program of this process may be for its CPU.
    return jax.lax.platform_dependent(query, key, value, cuda=_fused, default=without_mask)


def _has_fused(query: Float[Array, "N T h d"]) -> bool:
    """Whether cuDNN's fused attention computes this, on the GPUs of this process.

    JAX asks the process's GPU what cuDNN may do there, so a plan that is made on a CPU for GPUs
    holds the attention with maps, and more memory than the run will take.
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
    """Attention without maps in memory, by cuDNN.

    Other numbers of tokens than multiples of 8 have given NaN in backward passes (of other
    programs), so there is padding, and cuDNN is told how many tokens are real.
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


# The T x T maps are the largest arrays of the block and the cheapest to compute again.
@jax.checkpoint
def _with_maps(
    query: Float[Array, "N T h d"],
    key: Float[Array, "N T h d"],
    value: Float[Array, "N T h d"],
    mask: Bool[Array, "N T"] | None,
) -> Float[Array, "N T h d"]:
    # Not jax.nn.dot_product_attention: its softmax is float32 in float64 too.
    logits = jnp.einsum("nthd,nshd->nhts", query * query.shape[-1] ** -0.5, key)
    wide = jnp.promote_types(value.dtype, jnp.float32)
    logits = logits.astype(wide)
    if mask is not None:
        # Not -inf: where no token is left, the softmax would be NaN.
        logits = jnp.where(mask[:, None, None], logits, jnp.finfo(wide).min)
    weights = jax.nn.softmax(logits, axis=-1).astype(value.dtype)
    return jnp.einsum("nhts,nshd->nthd", weights, value)
