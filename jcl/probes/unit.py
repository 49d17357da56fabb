"""Unit rows in float64 on the host, for scores that sum them."""

import numpy as np
from jaxtyping import Array, Float


def unit(x: Float[Array | np.ndarray, "*n D"]) -> Float[np.ndarray, "*n D"]:
    """Each row divided by its norm, in float64; a zero row stays zero."""
    x = np.asarray(x, np.float64)
    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)
