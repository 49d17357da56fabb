"""NNCLR with the positive taken out of the denominator (Yeh et al. 2022)."""

import dataclasses

import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.errors import UserError
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.methods.nnclr import NNCLR


@dataclasses.dataclass(frozen=True)
class NNCLRDCL(NNCLR):
    """NNCLR with only negatives in the denominator, as in DCL.

    Take it instead of NNCLR for small batches, for which the positive in the denominator makes
    gradients small.

    Formula: 1/2 mean_i [-s(n_i0, p_i1) + log sum_{j != i} exp s(n_i0, p_j1)] + the reverse, n_iv
    the nearest row of the queue to z_iv

    Attributes:
        temperature: cosines are divided by it.
        queue_size: number of projections in the queue, a multiple of the batch.

    Source: Yeh et al. 2022, "Decoupled Contrastive Learning" (https://arxiv.org/abs/2110.06848),
    which reports NNCLR with DCL on ImageNet; Dwibedi et al. 2021, as `NNCLR`.
    """

    def loss(self, neighbours, predictions, mesh):
        """`one_way_dcl` of neighbours and predictions."""
        return one_way_dcl(neighbours, predictions, temperature=self.temperature, mesh=mesh)


def one_way_dcl(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    *,
    temperature: float,
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """mean_i [-s(q_i, k_i) + log sum_{j != i} exp s(q_i, k_j)]: DCL in one direction.

    It is `jcl.losses.one_way_nce` without the positive in the sum.

    Args:
        queries: raw, any float dtype.
        keys: raw, the positive of query i in row i; B > 1.
        temperature: cosines are divided by it; s is the quotient.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Raises:
        UserError: B is 1, so there are no negatives.
    """
    if len(keys) < 2:
        raise UserError(
            "batch_size=1 leaves method.name='nnclr_dcl' no negatives: it needs at least 2"
        )
    rows, columns = unit_rows(queries), unit_rows(keys)
    return map_rows(_decoupled, rows, columns, temperature, mesh=mesh, block_size=None).mean()


def _decoupled(index, query, keys, temperature):
    logits = inner_products(query, keys) / temperature
    is_own = jnp.arange(len(logits)) == index
    positive = jnp.sum(jnp.where(is_own, logits, 0))
    return logsumexp(logits, where=~is_own) - positive
