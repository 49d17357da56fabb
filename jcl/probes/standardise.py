"""Statistics for the standardisation of feature columns."""

import numpy as np
from jaxtyping import Bool, Float


def column_statistics(
    features: Float[np.ndarray, "n D"], used: Bool[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Mean and population deviation of each column over the used rows, in float64.

    A column that is constant, or varies only by rounding, gets the deviation 1; standardised, it is
    zero.
    """
    mean = features.mean(0, dtype=np.float64, where=used[:, None])
    std = features.std(0, dtype=np.float64, where=used[:, None])
    return mean, np.where(std <= 1e-6 * np.abs(mean), 1.0, std)
