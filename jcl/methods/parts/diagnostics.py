"""What to watch while two views, or two towers, are contrasted: similarities and collapse."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.losses.engine.embeddings import unit_rows


def two_view_diagnostics(
    z0: Float[Array, "B d"], z1: Float[Array, "B d"]
) -> dict[str, Float[Array, ""]]:
    """Summarises the unit embeddings of the global batch, in time and memory linear in B.

    Args:
        z0: raw embeddings of view 0, any float dtype.
        z1: raw embeddings of view 1; row i belongs to the same example as row i of z0.

    Returns:
        positive_similarity: mean cosine of the B positive pairs.
        negative_similarity: mean cosine of all other pairs of different rows (0 if there are none).
        embedding_spread: mean over dimensions of the standard deviation over the 2B rows, times
            sqrt(d): 1 for directions spread evenly over the sphere, 0 for collapse (the quantity of
            SimSiam, Chen & He 2021, Fig. 2, scaled).
    """
    z0, z1 = (jax.lax.stop_gradient(unit_rows(z)) for z in (z0, z1))
    rows, dimension = 2 * z0.shape[0], z0.shape[1]
    total = z0.sum(0) + z1.sum(0)
    squares = (z0**2).sum(0) + (z1**2).sum(0)
    positives = (z0 * z1).sum()
    # The sum over all ordered pairs of rows is |sum of rows|^2; take away the rows with
    # themselves and each positive pair twice.
    negatives = total @ total - squares.sum() - 2 * positives
    count = float(max(rows * (rows - 2), 1))  # an int of large batches overflows
    variance = squares / rows - (total / rows) ** 2
    return {
        "positive_similarity": positives / z0.shape[0],
        "negative_similarity": negatives / count,
        "embedding_spread": jnp.sqrt(jnp.maximum(variance, 0)).mean() * dimension**0.5,
    }


def two_tower_diagnostics(
    z0: Float[Array, "B d"], z1: Float[Array, "B d"]
) -> dict[str, Float[Array, ""]]:
    """Like `two_view_diagnostics`, of towers whose rows are never compared among themselves.

    Args:
        z0: raw embeddings of one tower, any float dtype.
        z1: raw embeddings of the other; row i belongs to the same example as row i of z0.

    Returns:
        positive_similarity: mean cosine of the B pairs.
        negative_similarity: mean cosine of a row of z0 and another example's row of z1.
    """
    z0, z1 = (jax.lax.stop_gradient(unit_rows(z)) for z in (z0, z1))
    batch, positives = z0.shape[0], (z0 * z1).sum()
    negatives = z0.sum(0) @ z1.sum(0) - positives
    return {
        "positive_similarity": positives / batch,
        "negative_similarity": negatives / float(max(batch * (batch - 1), 1)),
    }
