import numpy as np
import pytest

from jcl.data.prepare.tree import add_paths, read_tree
from jcl.errors import UserError
from tests.data.prepare.labelled import labelled


def similarity(paths):
    return (paths[:, None] == paths[None]).mean(axis=-1)


def test_similarity_is_the_share_of_levels_in_common():
    for tree in ("((0, 2), 1), (3, 4)", "(((0, 2), 1), (3, 4))"):
        expected = np.eye(5)
        expected[0, 2] = expected[2, 0] = 2 / 3
        for a, b in ((0, 1), (1, 2), (3, 4)):
            expected[a, b] = expected[b, a] = 1 / 3
        np.testing.assert_allclose(similarity(read_tree(tree, 5)), expected)
    np.testing.assert_array_equal(similarity(read_tree("0, 1, 2", 3)), np.eye(3))


def test_every_example_has_the_path_of_its_class():
    made = add_paths(labelled(), "(0, 1), (2, 3)")
    for arrays in made.values():
        np.testing.assert_array_equal(arrays["path"][:, 0], arrays["label"] // 2)
        assert arrays["path"].dtype == np.int32
        np.testing.assert_array_equal(arrays["path"][:, 1], arrays["label"])


@pytest.mark.parametrize(
    "tree", ["0, 1, 2", "0, 1, 2, 2", "0, 1, 2, 3, 4", "(0, 1), (2, 3", "a, b", "[0, 1], 2, 3", ""]
)
def test_refuses_in_one_sentence(tree):
    with pytest.raises(UserError, match="every class from 0 to 3 once"):
        add_paths(labelled(), tree)
