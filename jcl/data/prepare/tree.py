"""Graded similarity of labels: the path to each class in a tree."""

import ast
from typing import Any

import numpy as np
from jaxtyping import Int32

from jcl.data.prepare.splits import Splits, check_keys, count_classes
from jcl.errors import UserError


def add_paths(splits: Splits, tree: str) -> Splits:
    """Adds to every example the path from the root of a tree of classes to its class.

    The similarity of two examples is the share of levels at which their paths agree: 1 within a
    class, 0 for classes that separate at the root.

    Args:
        splits: for train and test, arrays of n rows each, among them label [n].
        tree: nested brackets with every class once, such as "((0, 2, 4, 6), (1, 3)), (5, 7, 9), 8".

    Returns:
        The splits with path int32 [n, levels], the number of the node at each level from below the
        root to the class. A class at a higher level than others counts as a node of its own at all
        lower levels.

    Raises:
        UserError: no labels, or the text is not such a tree of their classes.
    """
    check_keys("tree", splits, "label", new=("path",))
    paths = read_tree(tree, count_classes(splits))
    return {s: {**arrays, "path": paths[arrays["label"]]} for s, arrays in splits.items()}


def read_tree(tree: str, classes: int) -> Int32[np.ndarray, "classes levels"]:
    """The paths of all classes; see `add_paths`."""
    try:
        root = ast.literal_eval(f"({tree},)")
    except (SyntaxError, ValueError):
        root = ()
    while len(root) == 1 and isinstance(root[0], tuple):  # brackets around everything
        (root,) = root
    leaves = _leaves(root)
    if sorted(str(leaf) for leaf, _ in leaves) != sorted(map(str, range(classes))):
        raise UserError(
            f"tree={tree!r} is given, but it must be nested brackets with every class from 0 to "
            f"{classes - 1} once"
        )
    found = dict(leaves)
    levels = max(map(len, found.values()))
    # A node is named by the path to it, and numbered within its level in the order of these names.
    padded = [found[c] + (0,) * (levels - len(found[c])) for c in range(classes)]
    columns = []
    for level in range(levels):
        ways = [way[: level + 1] for way in padded]
        numbers = {way: i for i, way in enumerate(sorted(set(ways)))}
        columns.append([numbers[way] for way in ways])
    return np.array(columns, np.int32).T


def _leaves(node: Any, way: tuple[int, ...] = ()) -> list[tuple[Any, tuple[int, ...]]]:
    """Every class with the path to it: the index of the child at each level."""
    if not isinstance(node, tuple):
        return [(node, way)]
    return [leaf for i, child in enumerate(node) for leaf in _leaves(child, (*way, i))]
