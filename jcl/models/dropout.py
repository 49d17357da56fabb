"""Dropout whose mask depends only on the example, not on the batch or chunk that contains it."""

import zlib

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped


class Dropout(nn.Module):
    """Sets a random share of every row's values to zero and scales the others up.

    Flax's Dropout draws one mask for the whole batch, which would change with `microbatches`. This
    class draws the mask of each row from the row's key and the layer's path in its network. So the
    layers of a network have different masks, and a row's mask does not depend on its position.

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
            x: any float dtype; the result has the same dtype.
            keys: one per row; None drops nothing, as in evaluation.
        """
        return x if keys is None else drop(x, keys_of_layer(self.path, keys), self.rate)


def keys_of_layer(
    path: tuple[str, ...], keys: Shaped[PRNGKeyArray, " N"]
) -> Shaped[PRNGKeyArray, " N"]:
    """The keys of a layer at this path of its network, one per row."""
    layer = zlib.crc32("/".join(path).encode())
    return jax.vmap(lambda key: jax.random.fold_in(key, layer))(keys)


def drop(
    x: Float[Array, "N *rest"],  # noqa: F821
    keys: Shaped[PRNGKeyArray, " N"],
    rate: float,
) -> Float[Array, "N *rest"]:  # noqa: F821
    """Sets a share `rate` of every row's values to zero and scales the others up."""
    if rate == 0:
        return x

    def of_row(key, row):
        kept = jax.random.bernoulli(key, 1 - rate, row.shape)
        return jnp.where(kept, row / (1 - rate), 0)

    return jax.vmap(of_row)(keys, x)
