"""What a method may read between two epochs."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, PRNGKeyArray, Shaped


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The epoch that is about to begin; see `at_epoch` in `jcl.methods.base.Method`.

    Attributes:
        number: from 0.
        key: from the run's seed and the number.
        outputs: name -> float32 [n, D]: the output of this name for every training example, in the
            order of their indices, as probes extract it. Each call reads the whole split.
        known: key -> the values [n, ...] of every training example under this key, such as its
            label. The first call reads the whole split.
    """

    number: int
    key: PRNGKeyArray
    outputs: Callable[[str], Float[np.ndarray, "n D"]]
    known: Callable[[str], Shaped[np.ndarray, "n ..."]]
