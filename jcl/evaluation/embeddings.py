"""Detects a collapse of the embeddings that the loss compares."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from jcl.data import Source
from jcl.data.rows import Rows
from jcl.evaluation.encode import FEATURE_BATCH
from jcl.probes.effective_rank import rank_and_spread
from jcl.probes.extract import extract
from jcl.probes.ordinality import evenly_spaced

PROJECTION = "projection"
_MOST = 2000  # examples, enough to detect a collapse


def embedding_geometry(
    apply: Callable[[dict[str, np.ndarray]], Float[Array | np.ndarray, "b d"]], test: Source
) -> dict[str, float | None]:
    """Effective rank, spread and width of the embeddings of up to 2,000 evenly spaced examples.

    Args:
        apply: examples -> embeddings, as `jcl.probes.extract` takes it.
        test: the test split.
    """
    some = Rows(test, evenly_spaced(len(test), _MOST))
    batch_size = min(FEATURE_BATCH, len(some))
    return rank_and_spread(extract(apply, some, batch_size=batch_size).features)
