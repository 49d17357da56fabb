"""Contrast guided by the similarity of multi-hot labels: our reading of SoftCon (Wang 2024)."""

import dataclasses

import jax.numpy as jnp
from jax.lax import stop_gradient
from jax.nn import log_softmax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.config.checks import check_not_negative
from jcl.losses import info_nce, inner_products, map_rows, unit_rows
from jcl.methods.base import Outcome
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class SoftLabels(CosineContrast):
    """Examples are positives of each other in proportion to the cosine of their multi-hot labels.

    Take it if an example has several classes at once; SupCon takes one class per example. The paper
    says that the cosine of land-cover vectors guides similarity across scenes. Its training code is
    not public, so the loss and the defaults are our reading.

    Formula: mean_i [-sum_j T_ij log softmax_j s(q_i, k_j)], both directions halved, +
    instance_weight `info_nce`; T_ij = cos(y_i, y_j) / sum_k cos(y_i, y_k)

    Reading: the whole loss, temperature and instance_weight: the paper's formula was not found.

    Attributes:
        temperature: cosines are divided by it.
        instance_weight: weight of plain InfoNCE between the two views, which is added.

    Source: Wang et al. 2024, "Multi-Label Guided Soft Contrastive Learning for Efficient Earth
    Observation Pretraining" (https://arxiv.org/abs/2405.20462), whose formula we did not find.
    """

    instance_weight: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_not_negative("method.instance_weight", self.instance_weight)

    @property
    def needs(self):
        """Multi-hot labels of C classes."""
        return ("labels",)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The mean of both directions of `soft_label_nce`, and InfoNCE; see `Method.objective`."""
        z0, z1 = pair_of(embeddings)
        options = {"temperature": self.temperature, "mesh": mesh}
        guided = [soft_label_nce(*z, batch["labels"], **options) for z in ((z0, z1), (z1, z0))]
        loss = sum(guided) / 2 + self.instance_weight * info_nce(z0, z1, **options)
        return Outcome(loss, two_view_diagnostics(z0, z1), {})


def soft_label_nce(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    labels: Array,
    *,
    temperature: float,
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """mean_i [-sum_j T_ij log softmax_j s(q_i, k_j)], T_ij proportional to cos(y_i, y_j).

    It is `jcl.losses.soft_info_nce` with these targets, which are computed block by block and never
    in memory as a whole.

    Args:
        queries: raw.
        keys: raw, in the same order.
        labels: [B, C], numbers of any kind, 0 or more, without gradient. The only target of an
            example without classes is its own key.
        temperature: cosines are divided by it; s is the quotient.
        mesh: the batch is sharded over its axes; None computes as one device would.
    """
    queries, keys = unit_rows(queries), unit_rows(keys)
    labels = unit_rows(stop_gradient(labels.astype(queries.dtype)))
    rows, columns = (queries, labels), (keys, labels)
    return map_rows(_row, rows, columns, temperature, mesh=mesh, block_size=None).mean()


def _row(index, row, columns, temperature):
    (query, label), (keys, labels) = row, columns
    alike = inner_products(label, labels)
    own = jnp.arange(len(keys)) == index
    alike = jnp.where(alike.sum() > 0, alike, own)
    logits = log_softmax(inner_products(query, keys) / temperature)
    return -jnp.sum(alike / alike.sum() * logits)
