"""MV-InfoNCE, InfoNCE between all views of an example at once.

Inputs: V views of every example
Formula: mean_i -log(sum_{l, m != l} exp s(z_il, z_im) / sum_{l, m != l, j} exp s(z_il, z_jm))
Cost: 8 M^2 d, M = BV
Neighbours: For two views it resembles `info_nce`, but both directions share one logarithm.
  `mv_dhel` takes negatives from the same view.
"""

import functools

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.many_views import check_many_views, side_by_side
from jcl.losses.engine.pairwise import inner_products, map_rows


def mv_info_nce(
    z: Float[Array, "B V d"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Multi-view InfoNCE: all pairs of views of an example against all pairs of different views.

    With `z_il` the unit row of view l of example i and `s` the inner product divided by the
    temperature::

        l_i = -log ( sum_{l, m != l} exp s(z_il, z_im) / sum_{l, m != l, j} exp s(z_il, z_jm) )

    Pairs of views are ordered. A view is never compared with the same view of another example. The
    denominator has B times as many terms as the numerator and includes the numerator's terms.

    Each example has one logarithm, not one per pair. So for `V = 2` the loss is not `info_nce`,
    which takes the mean of two logarithms, of the rows and of the columns. Take `mv_info_nce` for
    more than two views from one encoder. `mv_dhel` has the same positives, but the negatives of a
    view are the same view of other examples.

    Args:
        z: raw projections `[B, V, d]` of V >= 2 views.
        temperature: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`; an anchor is one view of one example.

    Returns:
        Mean of `l_i` over the B examples; 0 where B is 1.

    Raises:
        UserError: V is 1; else see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import mv_info_nce
        >>> z = jnp.array([[[1.0, 0.0]] * 3, [[0.0, 1.0]] * 3])
        >>> round(float(mv_info_nce(z, temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    References:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025
        (https://arxiv.org/abs/2507.06979), as in the authors' README. Their code also has the same
        view of other examples in the denominator.
    """
    check_many_views("mv_info_nce", z, mesh, temperature=(temperature, "positive"))
    z = unit_rows(z)
    batch, views, _ = z.shape
    anchors = side_by_side(z)
    positives, negatives = map_rows(
        functools.partial(_log_sums, views=views),
        anchors,
        anchors,
        jnp.asarray(temperature, z.dtype),
        mesh=mesh,
        block_size=block_size,
    )
    positives, negatives = (
        logsumexp(x.reshape(batch, views), axis=1) for x in (positives, negatives)
    )
    # The denominator is the numerator plus the negatives. Summed separately, they cause no
    # cancellation.
    return jnp.mean(jax.nn.softplus(negatives - positives))


def _log_sums(
    index: Int[Array, ""],
    anchor: Float[Array, " d"],
    keys: Float[Array, "keys d"],
    temperature: Float[Array, ""],
    *,
    views: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Log-sums of an anchor over the other views of its example, and of all other examples."""
    logits = inner_products(anchor, keys) / temperature
    example, view = jnp.divmod(jnp.arange(len(keys)), views)
    is_own, is_other_view = example == index // views, view != index % views
    return (
        logsumexp(jnp.where(is_own & is_other_view, logits, -jnp.inf)),
        logsumexp(jnp.where(~is_own & is_other_view, logits, -jnp.inf)),
    )
