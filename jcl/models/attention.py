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


# The T x T maps are the largest arrays of the block and the cheapest to compute again.
@jax.checkpoint
def _attend(
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
