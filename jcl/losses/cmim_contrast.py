"""The contrastive term of cMIM: it pushes each code away from the other codes of the batch.

Inputs: one view of every example
Formula: mean_i log(1 + mean_{j != i} exp((cos(z_i, z_j) - 1) / temperature))
Cost: 8 B^2 d
Neighbours: Spreads codes as the uniformity of `alignment_uniformity` does, but its anchors have a
  logarithm each. Goes with a decoder.
"""

import math

import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.pairwise import inner_products, map_rows


def cmim_contrast(
    z: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Contrasts every code with the other codes of the batch, without a second view.

    The positive is the code itself, whose cosine is 1, and the negatives enter as their mean::

        l_i = log( 1 + mean_{j != i} exp((cos(z_i, z_j) - 1) / temperature) )

    Because of the mean, the loss depends little on the batch size. The loss lies between 0 and log
    2; at log 2 all codes are equal. Gradients flow through both codes of a pair. Take it together
    with a decoder, whose reconstruction keeps codes informative. Alone it only spreads codes, like
    the uniformity of `alignment_uniformity`.

    Args:
        z: raw codes `[B, d]`, one per example.
        temperature: see `jcl.losses`; 0.1 in the paper.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B codes; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import cmim_contrast
        >>> z = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> round(float(cmim_contrast(z, temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133

    References:
        Livne, "cMIM: A Contrastive Mutual Information Framework for Unified Generative and
        Discriminative Representation Learning", 2025 (https://arxiv.org/abs/2502.19642).
    """
    check_arguments(
        "cmim_contrast", mesh, z=(z, "float [B, d]"), temperature=(temperature, "positive")
    )
    z = unit_rows(z)
    temperature = jnp.asarray(temperature, z.dtype)
    losses = map_rows(_code_among_others, z, z, temperature, mesh=mesh, block_size=block_size)
    return jnp.mean(losses)


def _code_among_others(
    index: Int[Array, ""],
    code: Float[Array, " d"],
    codes: Float[Array, "B d"],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    ratios = (inner_products(code, codes) - 1) / temperature - math.log(max(len(codes) - 1, 1))
    nothing = jnp.zeros_like(temperature)
    return cross_entropy(nothing, ratios, where=jnp.arange(len(codes)) != index)
