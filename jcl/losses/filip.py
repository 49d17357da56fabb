"""FILIP, the loss of CLIP with similarities of tokens.

Inputs: pairs from two towers, each of several tokens and a mask
Formula: the mean of two cross-entropies over a_ij = mean_k max_r s(x_ik, t_jr) and b_ij = mean_r
  max_k s(x_jk, t_ir)
Cost: 16 B^2 n r d for n and r tokens
Neighbours: Equals `info_nce` for one token per side, but costs n r times more.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int, Real

from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.losses.engine.door import check_arguments
from jcl.losses.engine.embeddings import unit_rows_alike
from jcl.losses.engine.pairwise import inner_products, map_rows

# Unit rows [..., n, d], and a mask [..., n] of the real tokens; for an example or a batch.
Tokens = tuple[Float[Array, "..."], Bool[Array, "..."]]


def filip(
    images: Float[Array, "B n d"],
    image_mask: Bool[Array, "B n"],
    texts: Float[Array, "B r d"],
    text_mask: Bool[Array, "B r"],
    *,
    temperature: Real[ArrayLike, ""],
    mesh: Mesh | None = None,
    block_size: int | None = None,
) -> Float[Array, ""]:
    """Symmetric cross-entropy between images and texts that are compared token by token.

    `x_ik` is the unit token k of image i and `t_jr` the unit token r of text j. The similarity of
    an image to a text is the mean, over the image's tokens, of the cosine with the best token of
    the text. The similarity of a text to an image is defined likewise::

        a_ij = mean_k max_r x_ik . t_jr / temperature
        b_ij = mean_r max_k x_jk . t_ir / temperature
        l_i  = (-a_ii + log sum_j exp a_ij) / 2 + (-b_ii + log sum_j exp b_ij) / 2

    Means and maxima are over the real tokens, where the masks are True. An example without real
    tokens counts as one token of zeros. If two tokens are equally good, they share the gradient.

    With one token per side this is `info_nce`. Take `info_nce` if an encoder gives one embedding:
    it costs `n r` times less. No array holds the similarities of all tokens: a block of images is
    compared with one text, or a few texts, at a time, so that memory is `block_size (B + n r)`.
    Each direction computes the products of all tokens separately.

    Args:
        images: tokens of images, raw projections `[B, n, d]`.
        image_mask: `[B, n]`, True for real tokens. The other tokens may have any value, even NaN.
        texts: tokens of texts, raw projections `[B, r, d]`, in the order of the images.
        text_mask: `[B, r]`, likewise.
        temperature: see `jcl.losses`.
        mesh: see `jcl.losses`.
        block_size: see `jcl.losses`; an anchor is an image or a text.

    Returns:
        Mean of `l_i` over the B pairs; 0 where B is 1.

    Raises:
        UserError: see `jcl.losses`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jcl.losses import filip
        >>> images = jnp.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [jnp.nan, jnp.nan]]])
        >>> mask = jnp.array([[True, True], [True, False]])
        >>> texts, text_mask = images[:, :1], mask[:, :1]
        >>> round(float(filip(images, mask, texts, text_mask, temperature=1.0)), 4)  # log(1 + 1/e)
        0.3133

    References:
        Yao et al., "FILIP: Fine-grained Interactive Language-Image Pre-Training", ICLR 2022,
        equations 1 to 6 (https://arxiv.org/abs/2111.07783), without their selection of tokens.
    """
    of_images = {"images": (images, "float [B, n, d]"), "image_mask": (image_mask, "bool [B, n]")}
    of_texts = {"texts": (texts, "float [B, r, d]"), "text_mask": (text_mask, "bool [B, r]")}
    check_arguments("filip", mesh, **of_images, **of_texts, temperature=(temperature, "positive"))
    # Padding is left out before anything is computed from it, so that NaN there has no gradient.
    images, texts = unit_rows_alike(
        jnp.where(image_mask[..., None], images, 0), jnp.where(text_mask[..., None], texts, 0)
    )
    temperature = jnp.asarray(temperature, images.dtype)

    def one_way(rows: Tokens, columns: Tokens) -> Float[Array, ""]:
        return jnp.mean(
            map_rows(_cross_entropy, rows, columns, temperature, mesh=mesh, block_size=block_size)
        )

    images, texts = (images, _with_a_token(image_mask)), (texts, _with_a_token(text_mask))
    return (one_way(images, texts) + one_way(texts, images)) / 2


def _with_a_token(mask: Bool[Array, "B n"]) -> Bool[Array, "B n"]:
    """The mask, with the first token, which is zero, set to True for examples without tokens."""
    is_first = jnp.arange(mask.shape[1]) == 0
    return mask | (is_first & ~jnp.any(mask, axis=1, keepdims=True))


def _cross_entropy(
    index: Int[Array, ""], example: Tokens, others: Tokens, temperature: Float[Array, ""]
) -> Float[Array, ""]:
    logits = _similarities(example, others) / temperature
    is_own = jnp.arange(len(logits)) == index
    return cross_entropy(jnp.sum(jnp.where(is_own, logits, 0)), logits, where=~is_own)


def _similarities(example: Tokens, others: Tokens) -> Float[Array, " B"]:
    """Mean over the example's tokens of the cosine with the best token of every other example."""
    tokens, is_token = example

    @partial(jax.checkpoint, prevent_cse=False)
    def similarity(other: Tokens) -> Float[Array, ""]:
        their_tokens, is_theirs = other
        cosines = jax.vmap(inner_products, in_axes=(0, None))(tokens, their_tokens)
        best = jnp.max(jnp.where(is_theirs, cosines, -jnp.inf), axis=1)
        return jnp.mean(best, where=is_token)

    # Either one example at a time, or as many as have no more cosines than there are similarities.
    count, their_tokens, _ = others[0].shape
    chunk = -(-count // (len(tokens) * their_tokens))
    return jax.lax.map(similarity, others, batch_size=chunk)
