"""Balanced soft assignments of a batch to prototypes, the codes of SwAV.

Inputs: scores of every example and prototype
Formula: codes_ij = exp((scores_ij - f_i - g_j) / epsilon), whose rows sum to 1 and columns to
  nearly B / K
Cost: 3 B K exponentials an iteration, no gradient
Neighbours: Gives targets, not a loss: `soft_info_nce` takes them as targets where the prototypes
  are its keys.
"""

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.losses.engine.door import check_arguments
from jcl.mesh import batch_sharding


def sinkhorn(
    scores: Float[Array, "B K"],
    *,
    epsilon: Real[ArrayLike, ""],
    iterations: int = 3,
    mesh: Mesh | None = None,
) -> Float[Array, "B K"]:
    """Soft codes of every example that share the examples equally among the prototypes.

    Sinkhorn and Knopp's iterations begin with `exp(scores / epsilon)`. Each first scales every
    prototype's column to the sum 1 / K, and then every example's row to the sum 1 / B, over the
    global batch. The result is times B, so rows sum to one, and after enough iterations columns sum
    to nearly B / K::

        codes_ij = exp( (scores_ij - f_i - g_j) / epsilon )

    The potentials f and g are kept as logarithms, so no epsilon underflows. The codes are targets:
    they get no gradient. `scores` are not normalised here; they are cosines where both sides are
    unit rows. Take the cross-entropy of the other view's `softmax(scores / temperature)` against
    the codes.

    Args:
        scores: similarity of every example with every prototype, `[B, K]`.
        epsilon: positive scalar, 0.05 in the paper; smaller makes codes harder.
        iterations: how many, a positive whole number.
        mesh: see `jcl.losses`.

    Returns:
        Codes `[B, K]` without gradient, float64 where `scores` are and float32 otherwise, sharded
        like the batch. All are one where K is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import sinkhorn
        >>> scores = jnp.array([[0.8, 0.1], [0.9, 0.5]])  # both examples prefer the first
        >>> codes = sinkhorn(scores, epsilon=0.05, iterations=50)
        >>> round(float(codes[0, 0]), 4), round(float(codes[1, 0]), 4)  # sigmoid of 3 and -3
        (0.9526, 0.0474)

    References:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments",
        NeurIPS 2020, equations 3 to 5 (https://arxiv.org/abs/2006.09882); Cuturi, "Sinkhorn
        Distances", NeurIPS 2013 (https://arxiv.org/abs/1306.0895).
    """
    scalars = {"epsilon": (epsilon, "positive"), "iterations": (iterations, "positive whole")}
    check_arguments("sinkhorn", mesh, scores=(scores, "float [B, K]"), **scalars)
    scores = jax.lax.stop_gradient(jnp.asarray(scores))
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    if mesh is not None:
        # The sums over examples cross devices, K numbers each; no row leaves its device.
        scores = jax.lax.with_sharding_constraint(scores, batch_sharding(mesh))
    logits = scores / jax.lax.stop_gradient(jnp.asarray(epsilon, scores.dtype))

    def scale(_, of_prototypes):
        of_examples = logsumexp(logits - of_prototypes, axis=1, keepdims=True)
        return logsumexp(logits - of_examples, axis=0)

    # Constants such as log K do not matter: the next scaling takes them out again.
    of_prototypes = jax.lax.fori_loop(1, iterations, scale, logsumexp(logits, axis=0))
    return jax.nn.softmax(logits - of_prototypes, axis=1)
