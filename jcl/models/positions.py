"""Fixed position embeddings of patches."""

import numpy as np


def sincos_positions(rows: int, columns: int, width: int) -> np.ndarray:
    """Sines and cosines of a patch's row and column, for every patch of a grid.

    With `K = width / 4` and `w_k = 10000^(-k / K)`, the patch in row r and column c has
    `[sin(r w_k)]_k, [cos(r w_k)]_k, [sin(c w_k)]_k, [cos(c w_k)]_k`, one after the other.

    Source: Chen, Xie & He 2021, "An Empirical Study of Training Self-Supervised Vision
    Transformers" (MoCo v3), section 5, the 2-D form of Vaswani et al. 2017, "Attention Is All You
    Need", section 3.5; the order of the parts is that of the code released with MoCo v3.

    Args:
        rows: of the grid.
        columns: of the grid.
        width: a multiple of four.

    Returns:
        float64 [rows columns, width], row by row.
    """
    frequencies = 10000.0 ** (-np.arange(width // 4) / (width // 4))
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    angles = [np.outer(place.ravel(), frequencies) for place in (row, column)]
    return np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], axis=1)
