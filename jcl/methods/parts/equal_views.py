"""Any number of views of one kind and size."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jcl.errors import UserError
from jcl.methods.base import Embedded
from jcl.methods.parts.chain import Chain, views_of_inputs


def check_several(embeddings: Float[Array, "B V d"]) -> None:
    """Raises UserError if an example has fewer than two views."""
    count = embeddings.shape[1]
    if count < 2:
        raise UserError(
            "the method takes two views of an example or more, but the recipe of views "
            f"(views.name, views.count) makes {count}"
        )


def mean_over_pairs(
    loss: Callable[[Float[Array, "B d"], Float[Array, "B d"]], Float[Array, ""]],
    embeddings: Float[Array, "B V d"],
) -> Float[Array, ""]:
    """The mean of a loss of two views over all V (V - 1) / 2 pairs of views.

    Args:
        loss: of two views, given in the order of `embeddings`.
        embeddings: raw, of V >= 2 views.

    Raises:
        UserError: there are fewer views.
    """
    check_several(embeddings)
    first, second = np.triu_indices(embeddings.shape[1], 1)
    if len(first) == 1:
        return loss(embeddings[:, 0], embeddings[:, 1])
    # A loop in the compiled program, because every copy of a loss would be compiled separately.
    return jnp.mean(
        jax.lax.map(
            lambda pair: loss(embeddings[:, pair[0]], embeddings[:, pair[1]]),
            (jnp.asarray(first), jnp.asarray(second)),
        )
    )


@dataclasses.dataclass(frozen=True)
class EqualViews(Chain):
    """A chain for views of one kind only, all of the same size."""

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`.

        Raises:
            UserError: there are views of several kinds. Their embeddings are in one array, in which
                large and small views cannot be told apart.
        """
        kinds = views_of_inputs(views)
        if len(kinds) > 1:
            raise UserError(
                "the method takes views of one size, but the recipe of views (views.name) makes "
                f"{' and '.join(kinds)}; views.count sets the number of views"
            )
        return super().embed(variables, views, keys)
