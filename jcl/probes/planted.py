"""Whether planted bad pairs are the least similar pairs."""

import numpy as np
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.probes.checks import check_targets


def planted_recall(
    similarity: Float[Array | np.ndarray, " n"],
    planted: Bool[Array | np.ndarray, " n"] | Int[Array | np.ndarray, " n"],
) -> dict[str, float]:
    """The share of P planted bad pairs that are among the P least similar pairs.

    The number of flagged pairs is that of planted ones, so precision equals recall (R-precision).
    Among equally similar pairs, earlier ones are flagged first.

    Args:
        similarity: [n], of each pair: a cosine, or a method's weight; small values are suspicious.
        planted: [n], 0 or False for a good pair, anything else for a planted one.

    Returns:
        {"recall": fraction, "planted": P}.

    Raises:
        UserError: shapes that do not match, numbers that are not finite, or no planted pair.
    """
    planted = np.asarray(planted) != 0
    check_targets("Similarities", similarity, n=len(planted))
    count = int(planted.sum())
    if not count:
        raise UserError("No pair was planted, so none can be found.")
    flagged = np.argsort(np.asarray(similarity), kind="stable")[:count]
    return {"recall": float(planted[flagged].mean()), "planted": count}
