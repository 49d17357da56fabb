"""Which parameters are not trained, by patterns of their names.

A name is the path to a parameter, joined by slashes: `encoder/stage0_block0/conv0/kernel`. A
pattern is a regular expression that is matched from the start of the name up to a slash or the end:
`encoder` freezes the whole encoder, `encoder/block1` no part of `encoder/block10`. Running
statistics of BatchNorm are not parameters and go on being updated.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
import optax

from jcl.errors import UserError

PyTree = Any


def parameter_name(path: tuple) -> str:
    """Joins a key path of `jax.tree_util` by slashes."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a parameter, or for a part that it belongs to."""
    return re.match(rf"(?:{pattern})(?:(?<=/)|(?=/)|$)", name) is not None


def is_frozen(params: PyTree, patterns: Sequence[str]) -> PyTree:
    """Returns the tree of booleans that says which parameters a pattern matches.

    Raises:
        UserError: a pattern is no regular expression or matches no parameter.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UserError(f"frozen={pattern!r} is not a regular expression: {error}") from error
    names = [parameter_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    for pattern in patterns:
        if not any(matches(pattern, name) for name in names):
            raise UserError(
                f"frozen={pattern!r} matches no parameter and no part; "
                f"there are {len(names)}, such as {', '.join(names[:3])}"
            )
    return jax.tree_util.tree_map_with_path(
        lambda path, _: any(matches(pattern, parameter_name(path)) for pattern in patterns), params
    )


def without_gradient(params: PyTree, patterns: Sequence[str]) -> PyTree:
    """The same values; no gradient reaches those that are frozen, nor is it computed."""
    return jax.tree.map(
        lambda leaf, frozen: jax.lax.stop_gradient(leaf) if frozen else leaf,
        params,
        is_frozen(params, patterns),
    )


def freeze(
    optimizer: optax.GradientTransformation, patterns: Sequence[str]
) -> optax.GradientTransformation:
    """Keeps an optimizer, its weight decay too, from changing the frozen parameters.

    They have no optimizer state. Without patterns the optimizer is returned as it is.
    """
    if not patterns:
        return optimizer

    def labels(params):
        frozen = is_frozen(params, patterns)
        if all(jax.tree.leaves(frozen)):
            raise UserError(f"frozen={tuple(patterns)!r} leaves no parameter to train")
        return jax.tree.map(lambda leaf: "frozen" if leaf else "trained", frozen)

    return optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, labels)
