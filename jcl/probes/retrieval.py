"""Retrieval of texts by images, and of images by texts."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.losses.engine.embeddings import unit_rows
from jcl.probes.checks import check_features, check_same_width

KS = (1, 5, 10)


def retrieval(
    images: Float[Array | np.ndarray, "n d"],
    texts: Float[Array | np.ndarray, "m d"],
    pair: Int[np.ndarray, " m"] | None = None,
    *,
    ks: Sequence[int] = KS,
    block_size: int | None = None,
) -> dict[str, dict[str, float]]:
    """Recall@k in both directions: a query counts if a match is among the k most similar.

    This is the protocol of Karpathy & Fei-Fei, "Deep Visual-Semantic Alignments for Generating
    Image Descriptions" (CVPR 2015), section 4.1, which CLIP follows. Similarity is the cosine.

    Args:
        images: float [n, d], one row per image, normalised here.
        texts: float [m, d].
        pair: integer [m], the row of the image that each text describes; several texts may describe
            one image. None: text i describes image i.
        ks: values of k.
        block_size: queries compared at a time; None picks one that needs about 128 MiB.

    Returns:
        {"image_to_text": {"r1": x, "r5": x, "r10": x}, "text_to_image": {..}}, fractions.

    Raises:
        UserError: as `recall_at`.
    """
    rows = np.arange(len(images))
    described = rows if pair is None else np.asarray(pair)
    options = {"ks": ks, "block_size": block_size}
    return {
        "image_to_text": recall_at(images, texts, rows, described, **options),
        "text_to_image": recall_at(texts, images, described, rows, **options),
    }


def recall_at(
    queries: Float[Array | np.ndarray, "q d"],
    keys: Float[Array | np.ndarray, "m d"],
    query_ids: Int[np.ndarray, " q"],
    key_ids: Int[np.ndarray, " m"],
    *,
    ks: Sequence[int] = KS,
    block_size: int | None = None,
) -> dict[str, float]:
    """The share of queries with a key of their own id among the k most similar keys.

    In a tie between a key of another id and the best matching key, the other key comes first. So
    the recall of constant embeddings is 0. Memory is `block_size x m`.

    Args:
        queries: float [q, d].
        keys: float [m, d].
        query_ids: integer [q].
        key_ids: integer [m]; each query's id is among them.
        ks: how many keys are looked at.
        block_size: queries compared at a time; None picks one that needs about 128 MiB.

    Raises:
        UserError: embeddings that are not finite matrices of one width, ids that do not match, or a
            query without a key.
    """
    check_features("Queries", queries)
    check_features("Keys", keys)
    check_same_width(queries, keys)
    if np.shape(query_ids) != (len(queries),) or np.shape(key_ids) != (len(keys),):
        raise UserError(
            f"There are {len(queries)} queries with {len(query_ids)} ids and {len(keys)} keys with "
            f"{len(key_ids)} ids."
        )
    if not np.isin(query_ids, key_ids).all():
        raise UserError("Some queries have no matching key.")
    everything = np.ones((1, len(keys)), bool)
    before = wrong_keys_before(queries, keys, query_ids, key_ids, everything, block_size=block_size)
    return {f"r{k}": float(np.mean(before < k)) for k in ks}


def wrong_keys_before(
    queries: Float[Array | np.ndarray, "q d"],
    keys: Float[Array | np.ndarray, "m d"],
    query_ids: Int[np.ndarray, " q"],
    key_ids: Int[np.ndarray, " m"],
    among: Bool[np.ndarray, "s m"],
    *,
    block_size: int | None = None,
) -> Int[np.ndarray, "q s"]:
    """The number of keys of another id that come before the best matching key, among some keys.

    Args:
        queries: float [q, d].
        keys: float [m, d].
        query_ids: integer [q].
        key_ids: integer [m].
        among: bool [s, m], s selections of the keys.
        block_size: queries compared at a time; None picks one that needs about 128 MiB.

    Returns:
        The number for each query in each selection. For a query without a matching key, it is the
        number of all other keys of the selection.
    """
    if block_size is None:
        block_size = min(max(2**25 // among.size, 1), 1024)
    counts = _wrong_keys_before(
        *(jnp.asarray(x, jnp.float32) for x in (queries, keys)),
        *(jnp.asarray(ids, jnp.int32) for ids in (query_ids, key_ids)),
        jnp.asarray(among),
        block_size=min(block_size, len(queries)),
    )
    return np.asarray(counts)


@partial(jax.jit, static_argnames="block_size")
def _wrong_keys_before(queries, keys, query_ids, key_ids, among, *, block_size):
    keys = unit_rows(keys)

    def count(query):
        row, own_id = query
        cosines = jnp.matmul(keys, row, precision=jax.lax.Precision.HIGHEST)
        own = key_ids == own_id
        best = jnp.max(jnp.where(own & among, cosines, -jnp.inf), axis=1, keepdims=True)
        return jnp.sum(~own & among & (cosines >= best), axis=1)

    return jax.lax.map(count, (unit_rows(queries), query_ids), batch_size=block_size)
