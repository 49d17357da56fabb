"""The sigmoid loss between two towers, the loss of SigLIP.

Inputs: pairs from two towers
Formula: mean_i [-sum_j log sigmoid(m_ij (s(x_i, y_j) + bias))], m_ij = 1 where i = j, else -1
Cost: 8 B^2 d
Neighbours: Has the inputs of `info_nce`, but classifies every pair by itself and has a bias to
  learn.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def siglip(
    images: Float[Array, "B d"],
    texts: Float[Array, "B d"],
    *,
    temperature: Real[ArrayLike, ""],
    bias: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Binary classification of every pair of an image and a text: matching or not.

    With `x` and `y` the unit-normalised images and texts, `m_ij` 1 where i = j and -1 elsewhere::

        l_i = -sum_j log sigmoid( m_ij (<x_i, y_j> / temperature + bias) )

    There is no softmax over pairs, so the term of a pair does not depend on the rest of the batch.
    There are B - 1 negatives per positive. A bias of about -10 therefore makes each match
    improbable at the start, which keeps the first steps stable. `info_nce` instead ranks the texts
    of the batch and has no bias. SigLIP's logit scale is `1 / temperature`. Gradients flow through
    both towers, the temperature and the bias.

    Args:
        images: embeddings of one tower, raw projections `[B, d]`.
        texts: embeddings of the other tower, in the same order.
        temperature: see `jcl.losses`.
        bias: added to every logit; a number, or an array to differentiate.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Mean of `l_i` over the B images: a sum over all pairs divided by B, not by B squared.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import siglip
        >>> images = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> loss = siglip(images, images, temperature=1.0, bias=0.0)
        >>> round(float(loss), 4)  # log(1 + 1 / e) + log 2
        1.0064

    References:
        Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023, section 3.2
        (https://arxiv.org/abs/2303.15343).
    """
    embeddings = {"images": (images, "float [B, d]"), "texts": (texts, "float [B, d]")}
    scalars = {"temperature": (temperature, "positive"), "bias": (bias, "finite")}
    check_arguments("siglip", mesh, **embeddings, **scalars)
    images, texts = unit_rows_alike(images, texts)
    replicated = jnp.asarray(temperature, texts.dtype), jnp.asarray(bias, texts.dtype)
    losses = map_rows(_every_pair, images, texts, replicated, mesh=mesh, block_size=block_size)
    return jnp.mean(losses)


def _every_pair(
    index: Int[Array, ""],
    image: Float[Array, " d"],
    texts: Float[Array, "B d"],
    replicated: tuple[Float[Array, ""], Float[Array, ""]],
) -> Float[Array, ""]:
    temperature, bias = replicated
    logits = inner_products(image, texts) / temperature + bias
    belong = jnp.arange(len(texts)) == index
    return -jnp.sum(jax.nn.log_sigmoid(jnp.where(belong, logits, -logits)))
