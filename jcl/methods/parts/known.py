"""What a dataset knows about examples besides their inputs and labels."""

from collections.abc import Mapping

import jax
from jaxtyping import Array, Shaped

from jcl.errors import UserError


def one_each(batch: Mapping[str, jax.Array], key: str) -> Shaped[Array, " B"]:
    """The values under a key that has one value for every example.

    Raises:
        UserError: there are several for an example, which would be broadcast against the batch.
    """
    values = batch[key]
    if values.ndim != 1:
        of_example = ", ".join(map(str, values.shape[1:]))
        raise UserError(
            f"the method takes one {key} of every example, an array [n], but the dataset has "
            f"[n, {of_example}]"
        )
    return values
