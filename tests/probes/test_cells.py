import numpy as np
import pytest

from jcl.probes import cell_probe, linear_probe
from tests.probes.blobs import blobs


@pytest.mark.slow
def test_every_cell_is_an_example_and_negative_ones_are_none():
    (x, y), (test_x, test_y) = blobs(300, seed=0), blobs(300, seed=1)
    options = {"n_classes": 5, "seeds": (0,), "l2_grid": (0.1,)}
    expected = linear_probe(x, y, test_x, test_y, **options)
    # The same examples as cells of maps, with cells between them that do not count.
    maps, cells = (np.full((15, 5, 8, width), -1, np.float32) for width in (16, 1))
    cells = cells[..., 0].astype(np.int32)
    maps[:, :, ::2], cells[:, :, ::2] = x.reshape(15, 5, 4, 16), y.reshape(15, 5, 4)
    tests = test_x.reshape(3, 10, 10, 16), test_y.reshape(3, 10, 10)
    assert cell_probe(maps, cells, *tests, **options) == expected
