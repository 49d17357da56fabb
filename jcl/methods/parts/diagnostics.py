"""Metrics of contrastive training: similarities, and a measure of collapse."""

import itertools
import math
from collections.abc import Sequence

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
        See `several_view_diagnostics`.
    """
    return _of_views([z0, z1])


def several_view_diagnostics(z: Float[Array, "B V d"]) -> dict[str, Float[Array, ""]]:
    """Summarises the unit embeddings of the global batch, in time and memory linear in B.

    Args:
        z: raw embeddings of V >= 2 views, any float dtype.

    Returns:
        positive_similarity: mean cosine of the B V (V - 1) / 2 positive pairs.
        negative_similarity: mean cosine of all other pairs of different rows (0 if there are none).
        embedding_spread: mean over dimensions of the standard deviation over the BV rows, times
            sqrt(d): 1 for directions spread evenly over the sphere, 0 for collapse (the quantity of
            SimSiam, Chen & He 2021, Fig. 2, scaled).
    """
    return _of_views([z[:, view] for view in range(z.shape[1])])


def two_tower_diagnostics(
    z0: Float[Array, "B d"], z1: Float[Array, "B d"]
) -> dict[str, Float[Array, ""]]:
    """Like `two_view_diagnostics`, for towers whose rows are not compared within a tower.

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


def _of_views(views: Sequence[Float[Array, "B d"]]) -> dict[str, Float[Array, ""]]:
    views = [jax.lax.stop_gradient(unit_rows(z)) for z in views]
    (batch, dimension), count = views[0].shape, len(views)
    rows = count * batch
    total = sum(z.sum(0) for z in views)
    squares = sum((z**2).sum(0) for z in views)
    positives = sum((a * b).sum() for a, b in itertools.combinations(views, 2))
    # The sum over all ordered pairs of rows is |sum of rows|^2. Subtract the rows with themselves,
    # and each positive pair twice.
    negatives = total @ total - squares.sum() - 2 * positives
    others = float(max(rows * (rows - count), 1))  # an int32 would overflow for large batches
    variance = squares / rows - (total / rows) ** 2
    return {
        "positive_similarity": positives / (batch * math.comb(count, 2)),
        "negative_similarity": negatives / others,
        "embedding_spread": jnp.sqrt(jnp.maximum(variance, 0)).mean() * dimension**0.5,
    }
