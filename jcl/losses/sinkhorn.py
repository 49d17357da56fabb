"""Balanced soft assignments of a batch to prototypes, the codes of SwAV.

Inputs: scores of every example and prototype, those of a queue of older examples if you have one
Formula: codes_ij = exp((scores_ij - f_i - g_j) / epsilon), whose rows sum to 1 and columns to
  nearly B / K
Cost: 3 (B + Q) K exponentials an iteration for a queue of Q, no gradient
Neighbours: Returns targets, not a loss. `soft_info_nce` takes these targets if its keys are the
  prototypes.
"""

import functools

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
    queue_scores: Float[Array, "Q K"] | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, "B K"]:
    """Soft codes of every example, balanced so that each prototype gets an equal share.

    Sinkhorn and Knopp's iterations begin with `exp(scores / epsilon)`. Each iteration first scales
    every prototype's column to the sum 1 / K, and then every example's row to the sum 1 / B, over
    the global batch. The result is multiplied by B. So rows sum to one, and after enough iterations
    columns sum to nearly B / K::

        codes_ij = exp( (scores_ij - f_i - g_j) / epsilon )

    The potentials f and g are kept as logarithms, so no epsilon underflows. The codes are targets:
    they get no gradient. `scores` are not normalised here; they are cosines where both sides are
    unit rows. Take the cross-entropy of the other view's `softmax(scores / temperature)` against
    the codes.

    With `queue_scores` the codes of B + Q examples are balanced together, those of the batch and Q
    older ones. Only the codes of the batch are returned.

    Args:
        scores: similarity of every example with every prototype, `[B, K]`.
        epsilon: positive scalar, 0.05 in the paper; smaller makes codes harder.
        iterations: number of iterations, a positive whole number.
        queue_scores: similarity of older examples with every prototype, `[Q, K]`, the same on all
            devices, for any Q but 0; None for none.
        mesh: see `jcl.losses`.

    Returns:
        Codes `[B, K]` without gradient, float64 where an argument is and float32 otherwise, sharded
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
    arrays = {"scores": (scores, "float [B, K]")}
    if queue_scores is not None:
        arrays["queue_scores"] = (queue_scores, "float [Q, K]")
    scalars = {"epsilon": (epsilon, "positive"), "iterations": (iterations, "positive whole")}
    check_arguments("sinkhorn", mesh, **arrays, **scalars)
    parts = [jnp.asarray(x) for x in (scores, queue_scores) if x is not None]
    dtype = jnp.result_type(jnp.float32, *parts)
    parts = [jax.lax.stop_gradient(x.astype(dtype)) for x in parts]
    if mesh is not None:
        # Devices exchange sums over examples, K numbers each; no row leaves its device. The queue
        # is kept separate from the batch, because every device has the whole queue.
        parts[0] = jax.lax.with_sharding_constraint(parts[0], batch_sharding(mesh))
    epsilon = jax.lax.stop_gradient(jnp.asarray(epsilon, dtype))
    logits = [part / epsilon for part in parts]

    def over_examples(parts):
        return functools.reduce(jnp.logaddexp, (logsumexp(part, axis=0) for part in parts))

    def scale(_, of_prototypes):
        of_examples = [logsumexp(x - of_prototypes, axis=1, keepdims=True) for x in logits]
        return over_examples([x - f for x, f in zip(logits, of_examples, strict=True)])

    # Constants such as log K do not matter, because the next scaling removes them.
    of_prototypes = jax.lax.fori_loop(1, iterations, scale, over_examples(logits))
    return jax.nn.softmax(logits[0] - of_prototypes, axis=1)
