"""SimCLR with only each anchor's nearest negatives: the baseline of GroCo."""

import dataclasses

import jax
import jax.numpy as jnp

from jcl.config.checks import check_count
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.losses.engine.cross_entropy import cross_entropy
from jcl.methods.parts.two_view import TwoViewMethod


@dataclasses.dataclass(frozen=True)
class NearestNegatives(TwoViewMethod):
    """NT-Xent over the nearest negatives of both views.

    Attributes:
        temperature: that cosines are divided by.
        neighbours: how many negatives an anchor has.
    """

    temperature: float = 0.2
    neighbours: int = 10

    def __post_init__(self):
        super().__post_init__()
        check_count("method.neighbours", self.neighbours)

    def loss(self, z0, z1, mesh):
        """See `TwoViewMethod.loss`."""
        z = jnp.stack([unit_rows(z0), unit_rows(z1)], axis=1).reshape(2 * len(z0), -1)

        def anchor(index, row, columns, _):
            cosines = inner_products(row, columns)
            position = jnp.arange(len(columns))
            positive = jnp.sum(jnp.where(position == (index ^ 1), cosines, 0))
            others = jnp.where(position // 2 == index // 2, -jnp.inf, cosines)
            nearest, _ = jax.lax.top_k(others, min(self.neighbours, len(others)))
            logits = nearest / self.temperature
            return cross_entropy(positive / self.temperature, logits, where=nearest != -jnp.inf)

        return map_rows(anchor, z, z, (), mesh=mesh, block_size=None).mean()
