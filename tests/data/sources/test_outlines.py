import numpy as np
import pytest

from jcl.data.sources import outlines


@pytest.mark.parametrize(
    ("name", "roundness", "area"),
    [
        ("disc", 1.0, np.pi * 0.9**2),
        ("triangle", 0.0, 3 * 3**0.5 / 4),
        ("square", 0.0, 1.44**2),
        ("square", 1.0, 1.44**2 - (4 - np.pi) * 0.25**2),
        ("hexagon", 0.0, 3 * 3**0.5 / 2),
        ("ring", 1.0, np.pi * (0.9**2 - 0.45**2)),
        ("plus", 0.0, 2 * 1.9 * 0.6 - 0.6**2),
        ("half-disc", 0.0, np.pi / 2),
    ],
)
def test_areas(name, roundness, area):
    axis = np.linspace(-1.2, 1.2, 801, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    distance = outlines.SIGNED_DISTANCES[outlines.CLASSES.index(name)](
        x[None], y[None], np.full((1, 1, 1), roundness, np.float32)
    )
    assert (distance < 0).sum() * (2.4 / 800) ** 2 == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("name", [c for c in outlines.CLASSES if c != "five-petal"])
@pytest.mark.parametrize("roundness", [0.0, 0.5, 0.99])
def test_distances_are_distances_outside(name, roundness):
    """The slope of the distance is 1, or edges would be blurred or jagged."""
    axis = np.linspace(-1.2, 1.2, 401, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    distance = outlines.SIGNED_DISTANCES[outlines.CLASSES.index(name)](
        x[None], y[None], np.full((1, 1, 1), roundness, np.float32)
    )[0].astype(np.float64)
    step = 2.4 / 400
    dy, dx = np.gradient(distance, step)
    slope = np.hypot(dx, dy)
    near = (distance > step) & (distance < 0.1)
    assert np.quantile(np.abs(slope[near] - 1), 0.95) < 0.05
