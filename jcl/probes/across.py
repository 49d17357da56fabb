"""Recall within and across kinds, such as drawings in several styles."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.probes.retrieval import KS, wrong_keys_before


def recall_within(
    queries: Float[Array | np.ndarray, "q d"],
    keys: Float[Array | np.ndarray, "m d"],
    query_ids: Int[np.ndarray, " q"],
    key_ids: Int[np.ndarray, " m"],
    key_kinds: Int[np.ndarray, " m"],
    *,
    ks: Sequence[int] = KS,
) -> dict[str, float]:
    """The mean over kinds of `recall_at` among the keys of one kind.

    Queries without a key of a kind do not count for that kind. With one kind this is `recall_at`.

    Args:
        queries: float [q, d].
        keys: float [m, d].
        query_ids: integer [q].
        key_ids: integer [m].
        key_kinds: integer [m].
        ks: how many keys are looked at.

    Raises:
        UserError: no query has a key.
    """
    of_kind = key_kinds == np.unique(key_kinds)[:, None]
    before = wrong_keys_before(queries, keys, query_ids, key_ids, of_kind)
    served = np.stack([np.isin(query_ids, key_ids[chosen]) for chosen in of_kind], axis=1)
    return _means(before, served[None], ks)


def recall_across(
    features: Float[Array | np.ndarray, "n d"],
    ids: Int[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    *,
    ks: Sequence[int] = KS,
) -> dict[str, float]:
    """Recall between two kinds: rows of one are queries, all rows of the other are keys.

    The mean over ordered pairs of kinds that share an id. Queries without a key do not count.

    Args:
        features: float [n, d].
        ids: integer [n].
        kinds: integer [n].
        ks: how many keys are looked at.

    Raises:
        UserError: no two kinds share an id.
    """
    of_kind = kinds == np.unique(kinds)[:, None]
    before = wrong_keys_before(features, features, ids, ids, of_kind)
    served = np.stack([np.isin(ids, ids[chosen]) for chosen in of_kind], axis=1)
    return _means(before, served & of_kind[:, :, None] & ~of_kind.T, ks)


def _means(
    before: Int[np.ndarray, "q s"], counted: Bool[np.ndarray, "groups q s"], ks: Sequence[int]
) -> dict[str, float]:
    """For each group and selection, the share of the queries that count there, and their mean."""
    numbers = counted.sum(1)
    if not numbers.any():
        raise UserError("No query has a matching key.")
    recalls = ((counted & (before < k)).sum(1)[numbers > 0] / numbers[numbers > 0] for k in ks)
    return {f"r{k}": float(recall.mean()) for k, recall in zip(ks, recalls, strict=True)}
