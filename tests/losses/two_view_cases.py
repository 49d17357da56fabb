"""Hard inputs for losses over two views, 16 examples of 8 dimensions each."""

import numpy as np


def two_view_cases():
    """Name -> (z0, z1), float32."""
    random = np.random.default_rng(7)
    z0, z1 = random.normal(size=(2, 16, 8))
    one = random.normal(size=(1, 8))
    repeated = z0.copy()
    repeated[[3, 7, 12]] = repeated[1]
    with_zeros, zeros_too = z0.copy(), z1.copy()
    with_zeros[[2, 5]] = 0
    zeros_too[[5, 9]] = 0
    huge, tiny = z0.copy(), z1.copy()
    huge[4] *= 1e30
    huge[6] *= 1e-30
    tiny *= 1e-30
    tiny[4] *= 1e60
    cases = {
        "random": (z0, z1),
        "near duplicate views": (z0, z0 + 1e-4 * z1),
        "all rows near each other": (one + 1e-3 * z0, one + 1e-3 * z1),
        "identical views": (z0, z0),
        "identical rows": (np.tile(one, (16, 1)), np.tile(one, (16, 1))),
        "opposite views": (z0, -z0),
        "one row repeated": (repeated, z1),
        "zero rows": (with_zeros, zeros_too),
        "only zeros": (np.zeros((16, 8)), np.zeros((16, 8))),
        "huge and tiny norms": (huge, tiny),
    }
    return {name: tuple(x.astype(np.float32) for x in views) for name, views in cases.items()}
