"""Dropout whose mask depends on an example alone, not on the batch or chunk around it."""

import zlib

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped


class Dropout(nn.Module):
    """Sets a random share of every row's values to zero and scales the others up.

    Flax's own draws one mask for the whole batch, which would change with `microbatches`. This one
    draws each row's from the row's key and the layer's path in its network, so layers of one
    network differ and a row's mask stays the same wherever the row stands.

    Source: Srivastava et al. 2014, "Dropout", section 10, in which training scales by 1 / (1 - p).

    Attributes:
        rate: share of values that are dropped, p, in [0, 1).
    """

    rate: float

    def __call__(
        self,
        x: Float[Array, "N *rest"],  # noqa: F821  names of axes
        *,
        keys: Shaped[PRNGKeyArray, " N"] | None = None,
    ) -> Float[Array, "N *rest"]:  # noqa: F821
        """Drops values of x.

        Args:
            x: any float dtype, which the result has too.
            keys: one a row; None drops nothing, as in evaluation.
        """
        if keys is None or self.rate == 0:
            return x
        layer = zlib.crc32("/".join(self.path).encode())

        def drop(key, row):
            kept = jax.random.bernoulli(jax.random.fold_in(key, layer), 1 - self.rate, row.shape)
            return jnp.where(kept, row / (1 - self.rate), 0)

        return jax.vmap(drop)(keys, x)
