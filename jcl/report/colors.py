"""Colors that tell settings and classes apart, in figures and on the page."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

_FEW = 10


def colors(count: int) -> list[str]:
    """As many colors, as "#rrggbb", readable on light and on dark."""
    if count <= _FEW:
        return [to_hex(color) for color in colormaps["tab10"].colors[:count]]
    return [to_hex(color) for color in colormaps["turbo"](np.linspace(0.05, 0.95, count))]
