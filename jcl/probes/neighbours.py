"""The k most similar training rows of each test row, and their weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jcl.errors import UserError
from jcl.losses.engine.embeddings import unit_rows
from jcl.probes.checks import check_features, check_same_width


def neighbours(
    train_features: Float[Array | np.ndarray, "n D"],
    test_features: Float[Array | np.ndarray, "m D"],
    *,
    k: int,
    temperature: float,
    block_size: int | None = None,
) -> tuple[Int[Array, "m k"], Float[Array, "m k"]]:
    """Find the k nearest training rows by cosine, with weights exp(s / temperature).

    The search is exact. Besides the result, memory is `block_size x n`, never `m x n`. Equally
    similar neighbours are taken in the order of the training set, so the result depends only on the
    arguments.

    Args:
        train_features: float [n, D]; need not be normalised.
        test_features: float [m, D].
        k: number of neighbours, at most n.
        temperature: of the weights, positive.
        block_size: test rows compared at a time; None picks one that needs about 128 MiB.

    Returns:
        index: int32 [m, k], nearest first.
        weights: float32 [m, k], `exp((s - s_nearest) / temperature)` of the cosines s: relative
            to the nearest, so that no temperature overflows.

    Raises:
        UserError: k is not in [1, n], temperature or block_size is not positive, or features are
            not finite matrices of one width.
    """
    n = len(train_features)
    check_features("Train features", train_features)
    check_features("Test features", test_features)
    check_same_width(train_features, test_features)
    if not 1 <= k <= n:
        raise UserError(f"k={k} neighbours were asked of {n} training examples.")
    if not temperature > 0:
        raise UserError(f"The kNN temperature must be positive, not {temperature}.")
    if block_size is None:
        block_size = min(max(2**25 // n, 1), 1024)
    if block_size < 1:
        raise UserError(f"block_size must be at least 1, not {block_size}.")
    return _search(
        jnp.asarray(train_features, jnp.float32),
        jnp.asarray(test_features, jnp.float32),
        jnp.float32(temperature),
        k=k,
        block_size=min(block_size, len(test_features)),
    )


@partial(jax.jit, static_argnames=("k", "block_size"))
def _search(train, test, temperature, *, k, block_size):
    train = unit_rows(train)

    def search(row):
        similarity = jnp.matmul(train, row, precision=jax.lax.Precision.HIGHEST)
        nearest, index = jax.lax.top_k(similarity, k)  # ties: the smaller index first
        return index, jnp.exp((nearest - nearest[0]) / temperature)

    # Batched, `search` is one matrix product per block.
    return jax.lax.map(search, unit_rows(test), batch_size=block_size)
