"""Soft aggregation: SupCon with positives weighted by how near they are to others of their label.

Inputs: two views of every example, labels
Formula: mean_i [-sum_{p in P(i)} w_p s(z_i, z_p) / sum_{p in P(i)} w_p
  + log sum_{j != i} exp s(z_i, z_j)], w_p = sum_{j in P(p)} exp s_w(z_p, z_j)
Cost: 10 M^2 d, M = 2B
Neighbours: Equals `supcon`, but a positive far from the others of its label counts less; the same
  in the limit of a high `weight_temperature`.
"""

import jax
import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Integer, Real

from jcl.losses.engine.door import check_views, comparable
from jcl.losses.engine.paired_batch import anchors_of_views
from jcl.losses.engine.pairwise import inner_products, map_rows


def soft_aggregation(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    labels: Integer[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""],
    weight_temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """SupCon over the global batch, its positives weighted by how central they are.

    With `z` the 2B unit-normalised embeddings, `P(i)` the other embeddings whose label is that of
    anchor i, `s` the inner product divided by the temperature and `s_w` the inner product divided
    by the temperature of the weights::

        w_p = sum_{j in P(p)} exp s_w(z_p, z_j)
        l_i = -sum_{p in P(i)} w_p s(z_i, z_p) / sum_{p in P(i)} w_p
              + log sum_{j != i} exp s(z_i, z_j)

    A view that its augmentation spoilt lies far from the others of its label. It therefore has less
    weight as a positive, but remains an anchor and a negative like any other. If no other example
    has the anchor's label, there is one positive, and its weight cancels. Gradients flow through
    anchors and keys, across all devices, but not through the weights.

    Args:
        z0: first view of every example, raw projections `[B, d]`.
        z1: second view, in the same order.
        labels: integers `[B]`, in the same order; only compared for equality.
        temperature: see `jcl.losses`.
        weight_temperature: divides cosines in the weights; a positive number. A high value makes
            all weights of a label equal, which is `supcon`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the 2B anchors; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import soft_aggregation
        >>> z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> temperatures = {"temperature": 1.0, "weight_temperature": 0.5}
        >>> labels = jnp.array([5, 5])
        >>> round(float(soft_aggregation(z0, z0, labels, **temperatures)), 4)
        1.2181

    References:
        Wang et al., "Unilaterally Aggregated Contrastive Learning with Hierarchical Augmentation
        for Anomaly Detection", ICCV 2023 (https://arxiv.org/abs/2308.10155), section 3.2. Equation
        6 as printed has the weights inside the logarithm. They are constants there and would not
        change any positive's share of the gradient, and the prefactor of the equation would favour
        anchors that are unlike the others. Both contradict the text. Here the weights multiply the
        logarithms, as the text says; the weight of the anchor cancels. The authors released no
        code.
    """
    beside = {
        "labels": (labels, "integer [B]"),
        "temperature": (temperature, "positive"),
        "weight_temperature": (weight_temperature, "positive"),
    }
    check_views("soft_aggregation", z0, z1, mesh, **beside)
    z, _, temperature = anchors_of_views(z0, z1, temperature)
    label = jnp.repeat(comparable(labels), 2)
    of_pairs = {"mesh": mesh, "block_size": block_size}
    rows = z, label
    weight_temperature = jnp.asarray(weight_temperature, z.dtype)
    still = stop_gradient((rows, weight_temperature))
    log_weights = map_rows(_log_weight, still[0], still[0], still[1], **of_pairs)
    losses = map_rows(_loss, rows, (*rows, stop_gradient(log_weights)), temperature, **of_pairs)
    return jnp.mean(losses)


def _log_weight(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Int[Array, ""]],
    columns: tuple[Float[Array, "M d"], Int[Array, " M"]],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    """Log sum_{j in P(p)} exp s_w(z_p, z_j) of an embedding p."""
    (z, label), (others, labels) = row, columns
    is_positive = (labels == label) & (jnp.arange(len(labels)) != index)
    return logsumexp(inner_products(z, others) / temperature, where=is_positive)


def _loss(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Int[Array, ""]],
    columns: tuple[Float[Array, "M d"], Int[Array, " M"], Float[Array, " M"]],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    """l_i of an anchor i, given all weights."""
    (z, label), (others, labels, log_weights) = row, columns
    logits = inner_products(z, others) / temperature
    is_positive = (labels == label) & (jnp.arange(len(labels)) != index)
    shares = jax.nn.softmax(log_weights, where=is_positive)
    positives = logsumexp(logits, where=is_positive)
    negatives = logsumexp(logits, where=labels != label)
    # Positives and negatives are not summed together. So for a single positive the first difference
    # is exactly zero.
    return positives - jnp.sum(shares * logits) + jax.nn.softplus(negatives - positives)
