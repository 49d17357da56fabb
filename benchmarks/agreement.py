"""Checks that several implementations of a loss compute the same function."""

import jax
import numpy as np

from benchmarks.implementation import Implementation

TOLERANCE = 1e-3  # relative, of values and of gradients as vectors


def check_agreement(results: dict[Implementation, tuple]) -> None:
    """Ends the run if a loss differs from ours, whose result comes first.

    Results are values and dictionaries of gradients.
    """
    expected = {}
    for made, result in results.items():
        if made.loss == "matmul":
            continue
        # The leaves of dictionaries are in the order of their keys.
        value, gradients = (
            np.concatenate([np.zeros(0), *map(np.ravel, jax.tree.leaves(x))]) for x in result
        )
        ours = expected.setdefault(made.loss, (value, gradients))
        errors = [_error(*both) for both in zip((value, gradients), ours, strict=True)]
        if not max(errors) <= TOLERANCE:  # also where they are not numbers
            raise SystemExit(
                f"{made.name}'s {made.loss} differs from jcl's on the same data, the value by "
                f"{errors[0]:.1e} and gradients by {errors[1]:.1e}: not the same function."
            )


def _error(x: np.ndarray, expected: np.ndarray) -> float:
    """Of a vector, relative to its length."""
    return np.linalg.norm(x - expected) / np.linalg.norm(expected) if len(expected) else 0.0
