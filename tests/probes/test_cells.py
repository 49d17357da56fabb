import numpy as np
import pytest

from jcl.probes import cell_classes, cell_probe, linear_probe
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


def test_the_class_of_a_cell_is_that_of_the_shape_that_covers_half():
    random = np.random.RandomState(0)
    slots = random.randint(0, 4, (6, 12, 9))  # 3: none is there
    slots[:3] = np.kron(random.randint(0, 4, (3, 4, 3)), np.ones((3, 3), int))  # cells of one kind
    mask = np.arange(3)[:, None, None] == slots[:, None]
    shape = np.array([[0, 5, -1], [2, 2, 2], [7, -1, 1]] * 2)
    expected = np.full((6, 4, 3), -1)
    for i, row, column in np.ndindex(6, 4, 3):
        cell = slots[i, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        shares = {s: (cell == s).mean() for s in range(3) if shape[i, s] >= 0}
        for slot, share in shares.items():
            if share >= 0.5:
                expected[i, row, column] = shape[i, slot]
    assert {-1, 0, 5, 2, 7, 1} == {*np.unique(expected)}
    np.testing.assert_array_equal(cell_classes(mask, shape, 4, 3), expected)
    # Cells of unequal size, as where 5 pixels fall into 2.
    mask = np.zeros((1, 1, 5, 2), bool)
    mask[:, :, 3:] = True
    np.testing.assert_array_equal(cell_classes(mask, np.array([[4]]), 2, 1)[0], [[-1], [4]])
