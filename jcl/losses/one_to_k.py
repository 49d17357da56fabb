"""Contrast between images and several captions of each, the 1-to-K loss of CCRK.

Inputs: images, K captions of each
Formula: mean_ik [-s(x_i, y_ik) + 1/2 log sum_jm exp s(x_i, y_jm) + 1/2 log sum_j exp s(x_j,
  y_ik)]
Cost: 16 B^2 K d
Neighbours: Equals `info_nce` for K = 1, but `info_nce` forms each product once. `filip` compares
  tokens, not captions.
"""

import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows


def one_to_k(
    images: Float[Array, "B d"],
    captions: Float[Array, "B K d"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Symmetric cross-entropy between images and K captions of each over the global batch.

    With `x` and `y` the unit-normalised images and captions and `s` the inner product divided by
    the temperature, an image has K positives, and each caption has one::

        l_i  = 1/K sum_k [ -s(x_i, y_ik) + log sum_{j,m} exp s(x_i, y_jm) ]
        l_ik = -s(x_i, y_ik) + log sum_j exp s(x_j, y_ik)

    The sum in `l_i` has B K terms: an image's captions compete with each other. Gradients flow
    through both towers. With K = 1 this is `info_nce`, which computes each product only once. Take
    `one_to_k` for captions in K languages, or of K kinds, that should all be near their image.
    `supcon` would also compare captions with captions.

    Args:
        images: raw projections `[B, d]`.
        captions: raw projections `[B, K, d]`, those of image i in row i.
        temperature: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`.

    Returns:
        Half of the mean of `l_i` over the B images and half of that of `l_ik` over the B K
        captions.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import one_to_k
        >>> images = jnp.array([[1.0, 0.0], [0.0, 1.0]])
        >>> captions = jnp.stack([images, images], axis=1)
        >>> loss = one_to_k(images, captions, temperature=1.0)
        >>> round(float(loss), 4)  # log(1 + 1 / e) + log(2) / 2
        0.6598

    References:
        Nie et al., "Improving the Consistency in Cross-Lingual Cross-Modal Retrieval with 1-to-K
        Contrastive Learning", KDD 2024 (https://arxiv.org/abs/2406.18254). The authors' code gives
        the captions' direction 1 / K of its weight; here both directions weigh the same.
    """
    embeddings = {"images": (images, "float [B, d]"), "captions": (captions, "float [B, K, d]")}
    check_arguments("one_to_k", mesh, **embeddings, temperature=(temperature, "positive"))
    images, captions = unit_rows_alike(images, captions)
    image_of = jnp.repeat(jnp.arange(len(images)), captions.shape[1])
    flat = captions.reshape(-1, captions.shape[-1]), image_of
    temperature = jnp.asarray(temperature, images.dtype)
    options = {"mesh": mesh, "block_size": block_size}
    of_images = map_rows(_image_among_captions, (images, captions), flat, temperature, **options)
    of_captions = map_rows(_caption_among_images, flat, images, temperature, **options)
    return (jnp.mean(of_images) + jnp.mean(of_captions)) / 2


def _image_among_captions(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Float[Array, "K d"]],
    columns: tuple[Float[Array, "C d"], Int[Array, " C"]],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    (image, own_captions), (captions, image_of) = row, columns
    # First the image's captions together against all other captions, then each of them against the
    # others of the image. The second part computes its own logits. With shared logits the two
    # gradients would be added there, and the larger would round the smaller away.
    logits = inner_products(image, captions) / temperature
    log_sum_own = logsumexp(logits, where=image_of == index)
    own = inner_products(image, own_captions) / temperature
    among_own = logsumexp(own) - jnp.mean(own)
    return cross_entropy(log_sum_own, logits, where=image_of != index) + among_own


def _caption_among_images(
    index: Int[Array, ""],
    row: tuple[Float[Array, " d"], Int[Array, ""]],
    images: Float[Array, "B d"],
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    caption, image = row
    logits = inner_products(caption, images) / temperature
    is_own = jnp.arange(len(images)) == image
    positive = jnp.sum(jnp.where(is_own, logits, 0))
    return cross_entropy(positive, logits, where=~is_own)
