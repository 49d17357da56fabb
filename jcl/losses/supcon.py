"""SupCon, supervised contrastive learning.

Inputs: two views of every example, labels
Formula: mean_i [-mean_{p in P(i)} s(z_i, z_p) + log sum_{j != i} exp s(z_i, z_j)]
Cost: 4 M^2 d on one device, 6 M^2 d on a mesh, M = 2B
Neighbours: Like `nt_xent`, but examples of one label are positives of each other. Equal to
  `nt_xent` if no label is shared.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Integer, Real

from jcl.losses.engine.door import check_views, comparable, given
from jcl.losses.engine.paired_batch import (
    anchors_of_views,
    mean_over_anchors,
    unrounded_anchors,
)
from jcl.losses.engine.symmetric import log_sum_and_positive_of_labels


def supcon(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    labels: Integer[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""],
    weights: Float[Array, " B"] | None = None,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Supervised contrastive loss over the global batch: NT-Xent with all examples of a label.

    With `z` the 2B unit-normalised embeddings, `P(i)` the other embeddings whose label is that of
    anchor i and `s` the inner product divided by the temperature::

        l_i = mean_{p in P(i)} -s(z_i, z_p) + log sum_{j != i} exp s(z_i, z_j)

    The sum has 2B - 1 terms, the positives among them. `P(i)` holds the other view of anchor i
    and is never empty; where no two examples share a label, this is NT-Xent. Gradients flow
    through anchors and keys, across all devices.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        labels: integers `[B]`, in the same order; only compared for equality.
        temperature: see `jcl.losses`.
        weights: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i`, times its weight, over the 2B anchors; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import supcon
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> labels = jnp.array([5, 5])
        >>> round(float(supcon(z0, z0, labels, temperature=1.0)), 4)  # log(e + 2) - 1 / 3
        1.2181

    References:
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, the loss L_out of
        equation 2 (https://arxiv.org/abs/2004.11362). The authors' code multiplies it by
        `temperature / 0.07`; here there is no factor.
    """
    beside = given(
        labels=(labels, "integer [B]"),
        temperature=(temperature, "positive"),
        weights=(weights, "real [B]"),
    )
    check_views("supcon", z0, z1, mesh, **beside)
    labels = comparable(labels)
    if mesh is None:
        # The mean does not depend on the order. After sorting by label, positives lie in few tiles.
        order = jnp.argsort(labels)
        z0, z1, labels = z0[order], z1[order], labels[order]
        weights = None if weights is None else weights[order]
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    exact = unrounded_anchors(z0, z1)
    label, is_alone = jnp.repeat(labels, 2), jnp.repeat(_is_alone(labels), 2)
    log_sum, positive = log_sum_and_positive_of_labels(
        z, label, is_alone, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    loss = log_sum - positive
    return mean_over_anchors(jnp.where(is_alone, jax.nn.softplus(loss), loss), weights)


def _is_alone(labels: Int[Array, " B"]) -> Bool[Array, " B"]:
    """Whether each example is the only one of its label, so that its anchors have one positive."""
    in_order = jnp.sort(labels)
    begin, end = (jnp.searchsorted(in_order, labels, side=side) for side in ("left", "right"))
    return end - begin == 1
