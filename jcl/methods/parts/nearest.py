"""The nearest of several candidates that every device holds, such as the rows of a queue."""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.losses import inner_products, map_rows, unit_rows


def nearest(
    embeddings: Float[Array, "B d"],
    candidates: Float[Array, "K d"],
    mesh: Mesh | None,
) -> Float[Array, "B d"]:
    """The candidate with the largest cosine to each embedding; the first one of equal cosines.

    Neither side gets a gradient. Rows are compared one block at a time, so no array [B, K] is made.

    Args:
        embeddings: raw, sharded over the mesh.
        candidates: unit rows, all of them on every device.
        mesh: the embeddings are sharded over its axes; None computes as one device would.
    """
    rows, candidates = jax.lax.stop_gradient((unit_rows(embeddings), candidates))
    return map_rows(_nearest_of_row, rows, (), candidates, mesh=mesh, block_size=None)


def _nearest_of_row(index, row, columns, candidates):
    del index, columns
    return candidates[jnp.argmax(inner_products(row, candidates))]
