"""Embeddings of views of full size, and those of smaller ones."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

LARGE, SMALL = "large", "small"


def by_size(
    embeddings: Float[Array, "B V d"], views: Mapping[str, Any]
) -> dict[str, Float[Array, "B v d"]]:
    """Splits embeddings of views of several kinds by the size of the views.

    Args:
        embeddings: from `Chain.embed`.
        views: the views that were embedded: kind -> leaves [B, v, ...]. Kinds such as "image_small"
            are small; kinds of one word are large.

    Returns:
        LARGE and SMALL; a size without views is missing.
    """
    counts = [jax.tree.leaves(tree)[0].shape[1] for tree in views.values()]
    kind_of_view = np.repeat(np.array(["_" in kind for kind in views]), counts)
    places = {LARGE: np.flatnonzero(~kind_of_view), SMALL: np.flatnonzero(kind_of_view)}
    return {size: embeddings[:, views] for size, views in places.items() if len(views)}
