"""SogCLR between two towers: negatives from the whole dataset, by running estimates per example.

Inputs: pairs from two towers, running estimates of each pair's two sums of negatives
Formula: mean over both directions of mean_i [temperature log u_i], u_i the moving average of
  mean_{j not i} exp(s(x_i, y_j) - s(x_i, y_i))
Cost: 8 B^2 d, both directions from the same products
Neighbours: Is to `info_nce` what `sogclr` is to `dcl`. Without the moving average it is `info_nce`
  times the temperature, except that the positive is left out of the sums.
"""

import math

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real

from jcl.errors import UserError
from jcl.losses.engine.door import check_arguments, check_at_least
from jcl.losses.engine.moving_average import log_average, log_with_gradient_of
from jcl.losses.engine.paired_batch import unit_pairs, unrounded_pairs
from jcl.losses.engine.two_sided import log_sums_and_positive


def bimodal_sogclr(
    images: Float[Array, "B d"],
    texts: Float[Array, "B d"],
    log_image_estimates: Float[Array, " B"],
    log_text_estimates: Float[Array, " B"],
    *,
    temperature: Real[ArrayLike, ""],
    gamma: float,
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> tuple[Float[Array, ""], Float[Array, " B"], Float[Array, " B"]]:
    """Global contrastive loss of two towers; estimates from earlier batches correct its gradient.

    `x` and `y` are the unit-normalised images and texts, `s` is the inner product divided by the
    temperature, and u[i] is the estimate of earlier batches. A batch estimates for an image (for a
    text, x and y change places)::

        g_i = mean_{j != i} exp( s(x_i, y_j) - s(x_i, y_i) )
        u_i = (1 - gamma) u[i] + gamma g_i,  or g_i where pair i was never seen
        l_i = temperature log u_i

    The value is the mean of `l_i` over the B images and B texts. In the gradient, `log u_i` counts
    as `g_i / u_i` with a constant `u_i`. The published objectives sum over the two directions: they
    are twice this one. All sums are kept as logarithms, so no temperature overflows.

    Args:
        images: embeddings of one tower, raw projections `[B, d]`; B >= 2.
        texts: embeddings of the other tower, in the same order.
        log_image_estimates: log u `[B]` of the images, any float dtype; -inf for an image that was
            never seen. They get no gradient.
        log_text_estimates: log u `[B]` of the texts, likewise.
        temperature: see `jcl.losses`; its gradient takes `log u_i` as above.
        gamma: weight of the batch in the new estimates, 0 < gamma <= 1; 1 forgets earlier batches.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i`, and the new log u `[B]` of images and of texts, without gradient.

    Raises:
        UserError: gamma is out of range, or B is 1, so there are no negatives; else see
            `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import bimodal_sogclr
        >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> never = jnp.full(2, -jnp.inf)
        >>> loss, *_ = bimodal_sogclr(x, x, never, never, temperature=0.5, gamma=0.9)
        >>> round(float(loss), 4)  # each g is exp(-2)
        -1.0

    References:
        Yuan et al., "Provable Stochastic Optimization for Global Contrastive Learning: Small Batch
        Does Not Harm Performance", ICML 2022, section 5 (https://arxiv.org/abs/2202.12387); Wei et
        al., "FastCLIP: A Suite of Optimization Techniques to Accelerate CLIP Training with Limited
        Resources", 2024, equation GCL (https://arxiv.org/abs/2407.01445), which leaves the pair
        itself out of the mean as it is left out here.
    """
    arguments = {
        "images": (images, "float [B, d]"),
        "texts": (texts, "float [B, d]"),
        "log_image_estimates": (log_image_estimates, "float [B]"),
        "log_text_estimates": (log_text_estimates, "float [B]"),
        "temperature": (temperature, "positive"),
    }
    sizes = check_arguments("bimodal_sogclr", mesh, **arguments)
    check_at_least("bimodal_sogclr", 2, "examples in a batch", sizes["B"])
    if not 0 < gamma <= 1:
        raise UserError(f"gamma={gamma} is impossible: it is more than 0 and at most 1.")
    exact = unrounded_pairs(images, texts)
    images, texts, temperature = unit_pairs(images, texts, temperature)
    over_texts, over_images, positive = log_sums_and_positive(
        images, texts, temperature, exact=exact, mesh=mesh, block_size=block_size
    )
    log_g = jnp.stack([over_texts, over_images]) - positive - math.log(sizes["B"] - 1)
    old = jnp.stack([log_image_estimates, log_text_estimates]).astype(log_g.dtype)
    log_u = log_average(old, log_g, gamma)
    loss = temperature * jnp.mean(log_with_gradient_of(log_u, log_g))
    of_images, of_texts = jax.lax.stop_gradient(log_u)
    return loss, of_images, of_texts
