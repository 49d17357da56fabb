"""Geometry of features: alignment, uniformity, tolerance, ordinality, rank and spread."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from jcl.errors import UserError
from jcl.losses.engine.embeddings import unit_rows
from jcl.probes.checks import check_features
from jcl.probes.effective_rank import rank_and_spread
from jcl.probes.ordinality import ordinality


def alignment(
    view0: Float[Array | np.ndarray, "n D"], view1: Float[Array | np.ndarray, "n D"]
) -> float:
    """Mean squared distance of positive pairs on the unit sphere, in [0, 4]; small is aligned.

    Wang & Isola, "Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere" (ICML 2020), section 4.1, alpha = 2.

    Args:
        view0: float [n, D], normalised here.
        view1: float [n, D]; row i is the positive of row i of view0.

    Raises:
        UserError: the views are not finite matrices of one shape.
    """
    check_features("View 0", view0)
    check_features("View 1", view1)
    if np.shape(view0) != np.shape(view1):
        raise UserError(f"The views differ in shape: {np.shape(view0)} and {np.shape(view1)}.")
    return _mean(_alignment_rows(jnp.asarray(view0), jnp.asarray(view1)))


def uniformity(
    features: Float[Array | np.ndarray, "n D"], *, t: float = 2.0, block_size: int = 256
) -> float | None:
    """`log mean_{i<j} exp(-t |x_i - x_j|^2)` on the unit sphere, in [-4t, 0]; small is uniform.

    Wang & Isola (ICML 2020), section 4.1. All pairs of the n rows, none sampled; memory is
    `block_size x n`.

    Args:
        features: float [n, D], normalised here.
        t: scale of the Gaussian kernel.
        block_size: rows compared with all rows at a time.

    Returns:
        The score, or None if there is only one row.

    Raises:
        UserError: not a finite matrix.
    """
    check_features("Features", features)
    if len(features) < 2:
        return None
    rows = _uniformity_rows(
        jnp.asarray(features, jnp.float32),
        jnp.float32(t),
        block_size=min(block_size, len(features)),
    )
    return float(np.log(_mean(rows)))


def tolerance(
    features: Float[Array | np.ndarray, "n D"], labels: Int[Array | np.ndarray, " n"]
) -> float | None:
    """Mean cosine of two different examples of the same class, in [-1, 1].

    Wang & Liu, "Understanding the Behaviour of Contrastive Loss" (CVPR 2021), section on the
    uniformity-tolerance dilemma. Here the mean is only over pairs of the same class, so that it
    does not depend on the number of classes. For a class with n_c examples, the sum of its n_c (n_c
    - 1) cosines is `|sum x|^2 - sum |x|^2`, so the cost is linear in n.

    Args:
        features: float [n, D], normalised here.
        labels: integer [n].

    Returns:
        The score, or None if no class has two examples.

    Raises:
        UserError: features and labels do not match.
    """
    check_features("Features", features)
    if np.shape(labels) != (len(features),):
        raise UserError(f"There are {len(features)} feature rows but {np.shape(labels)} labels.")
    # float64 on the host: the two terms of a class cancel if its examples have all directions.
    x = np.asarray(unit_rows(jnp.asarray(features, jnp.float32)), np.float64)
    cosines, pairs = 0.0, 0
    for label in np.unique(np.asarray(labels)):
        members = x[np.asarray(labels) == label]
        cosines += np.sum(members.sum(0) ** 2) - np.sum(members**2)
        pairs += len(members) * (len(members) - 1)
    return float(cosines / pairs) if pairs else None


def geometry(
    pair: tuple[Float[np.ndarray, "n D"], Float[np.ndarray, "n D"]] | None,
    features: Float[Array | np.ndarray, "m D"],
    labels: Int[Array | np.ndarray, " m"] | None = None,
    targets: Real[Array | np.ndarray, " m"] | None = None,
) -> dict[str, float | None]:
    """Alignment of two views; uniformity, tolerance, ordinality, rank and spread of features.

    Args:
        pair: two arrays float [n, D], features of two augmented views of n examples, or None.
        features: float [m, D], features of unaugmented examples.
        labels: integer [m], or None.
        targets: [m], or None.

    Returns:
        {"uniformity", "effective_rank", "spread", "width": D}, and "alignment" with a pair,
        "tolerance" with labels, "ordinality" with targets; a score that is not defined is None.
    """
    measured = {} if pair is None else {"alignment": alignment(*pair)}
    measured["uniformity"] = uniformity(features)
    measured |= rank_and_spread(features)
    if labels is not None:
        measured["tolerance"] = tolerance(features, labels)
    if targets is not None:
        measured["ordinality"] = ordinality(features, targets)
    return measured


def _mean(rows) -> float:
    return float(np.mean(np.asarray(rows), dtype=np.float64))


@jax.jit
def _alignment_rows(view0, view1):
    difference = unit_rows(view0.astype(jnp.float32)) - unit_rows(view1.astype(jnp.float32))
    return jnp.sum(difference**2, axis=1)


@partial(jax.jit, static_argnames="block_size")
def _uniformity_rows(features, t, *, block_size):
    """Mean kernel value of each row with all other rows, [n]."""
    x = unit_rows(features)
    squares = jnp.sum(x**2, axis=1)  # 1, except for a zero row

    def row(i):
        cosines = jnp.matmul(x, x[i], precision=jax.lax.Precision.HIGHEST)
        kernel = jnp.exp(-t * (squares + squares[i] - 2 * cosines))
        return jnp.sum(kernel.at[i].set(0.0)) / (len(x) - 1)

    return jax.lax.map(row, jnp.arange(len(x)), batch_size=block_size)
