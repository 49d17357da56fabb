"""What a method may look at between two epochs."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, PRNGKeyArray, Shaped


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The epoch whose first step comes next; see `at_epoch` in `jcl.methods.base.Method`.

    Attributes:
        number: from 0.
        key: from the run's seed and the number.
        outputs: name -> float32 [n, D], that output of the method for every training example, in
            the order of their indices, as probes extract it. Each call reads the whole split.
        known: key -> what the data know of every training example, such as its label, [n, ...];
            it reads the whole split when a run first asks for it.
    """

    number: int
    key: PRNGKeyArray
    outputs: Callable[[str], Float[np.ndarray, "n D"]]
    known: Callable[[str], Shaped[np.ndarray, "n ..."]]
