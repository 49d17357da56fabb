import numpy as np

from jcl.data.sources.painting import cos_sin


def test_cos_sin():
    turns = np.linspace(0, 1, 10001)[:-1]
    cos, sin = cos_sin(turns)
    # Any angle, each once: the start does not matter.
    angle = np.unwrap(np.arctan2(sin, cos))
    np.testing.assert_allclose(np.hypot(cos, sin), 1, atol=1e-9)
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi / 10000, atol=1e-8)
