"""PamC: negatives are sums of clusters and cost K^2 instead of N^2 (Kulatilleke et al. 2022)."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jcl.config.checks import check_count, check_not_negative, check_positive
from jcl.errors import UserError
from jcl.losses import unit_rows
from jcl.methods.base import Outcome, Variables
from jcl.methods.epoch import Epoch
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.kmeans import cluster_directions, products
from jcl.methods.parts.two_view import TwoViewNetworks, pair_of


@dataclasses.dataclass(frozen=True)
class PamC(TwoViewNetworks):
    """Pulls the two views of an example together, and pushes the sums of clusters apart.

    Take it if a batch is so large that comparing all pairs dominates the cost of a step. SimCLR
    also separates examples of one cluster; this loss does not.

    The paper is about graphs: a node's positives are its neighbours. In our reading for images the
    neighbour of an embedding is the other view of its example. Clusters come from k-means of the
    projections of all training examples before some epochs. The paper instead trains a soft
    assignment by a further term KL(P || Q), which is left out here. The method's state is the
    cluster of every training example.

    Attributes:
        scale: cosines are multiplied by it; the paper calls it tau, and 1 is the default of the
            authors' code.
        clusters: number of clusters, K; 0 takes the dataset's labels as clusters.
        recluster_epochs: number of epochs between two clusterings; the first comes before the first
            step.
        n_classes: of the dataset.

    Formula: `-mean_i scale cos(z_0i, z_1i) + mean_k log(1 + sum_{l != k} exp(scale cos(C_k,
    C_l)))`, C_k the sum of the raw embeddings of both views in cluster k

    Reading: neighbours in a graph are the two views of an image; clusters are k-means', not those
    of an assignment that is trained.

    Source: Kulatilleke et al. 2022, "Efficient block contrastive learning via parameter-free
    meta-node approximation" (https://arxiv.org/abs/2209.14067), and the authors' code.
    """

    n_classes: int | None = dataclasses.field(kw_only=True)
    scale: float = 1.0
    clusters: int = 8
    recluster_epochs: int = 1

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.scale", self.scale)
        check_not_negative("method.clusters", self.clusters)
        check_count("method.recluster_epochs", self.recluster_epochs)

    @property
    def needs(self):
        """Classes, where they are the clusters."""
        return ("label",) if not self.clusters else ()

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; until the first clustering, examples are assigned in turn."""
        if self.clusters > data.examples:
            raise UserError(
                f"method.clusters={self.clusters} is impossible with {data.examples} examples"
            )
        made = super().init(key, views, data)
        if not self.clusters:
            return made
        clusters = jnp.arange(data.examples, dtype=jnp.int32) % self.clusters
        return made._replace(method_state={"clusters": clusters})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """`meta_node_nce`; see `Method.objective`."""
        if not self.clusters:
            count, cluster = self.n_classes, batch["label"]
        else:
            count = self.clusters
            cluster = table.read(variables.method_state["clusters"], batch["index"])
        z0, z1 = pair_of(embeddings)
        loss = meta_node_nce(z0, z1, cluster, clusters=count, scale=self.scale)
        return Outcome(loss, two_view_diagnostics(z0, z1), {})

    def at_epoch(self, variables: Variables, epoch: Epoch) -> Variables:
        """Clusters the projections of all training examples, every `recluster_epochs`."""
        if not self.clusters or epoch.number % self.recluster_epochs:
            return variables
        clusters = _clusters(
            jnp.asarray(epoch.outputs("projection")), epoch.key, count=self.clusters
        )
        return variables._replace(method_state={"clusters": clusters})


@functools.partial(jax.jit, static_argnames="count")
def _clusters(
    projections: Float[Array, "n d"], key: PRNGKeyArray, *, count: int
) -> Int[Array, " n"]:
    rows = unit_rows(projections)
    first = rows[jax.random.permutation(key, len(rows))[:count]]
    return cluster_directions(rows, first)[0]


def meta_node_nce(
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    cluster: Int[Array, " B"],
    *,
    clusters: int,
    scale: float,
) -> Float[Array, ""]:
    """A term that pulls the views of examples together, plus one that pushes clusters apart.

    With C_k the sum of the raw embeddings of the batch, of both views, in cluster k, and K' the
    clusters that the batch has examples of::

        -mean_i scale cos(z0_i, z1_i) + mean_{k in K'} log(1 + sum_{l in K', l != k} exp u_kl),
        u_kl = scale cos(C_k, C_l)

    The 1 stands for the pair of a sum with itself, whose similarity the paper counts as 0.
    Gradients flow through both embeddings and all sums. There is no matrix of B^2 numbers. The sums
    are over the global batch for any sharding.

    Args:
        z0: raw, of one view.
        z1: raw, of the other.
        cluster: of each example, in [0, clusters).
        clusters: K.
        scale: cosines are multiplied by it.
    """
    wide = jnp.promote_types(jnp.result_type(z0, z1), jnp.float32)
    z0, z1 = z0.astype(wide), z1.astype(wide)
    positive = jnp.sum(unit_rows(z0) * unit_rows(z1), axis=1).mean()
    # A matrix product, because GPUs add scattered sums in a random order.
    members = jax.nn.one_hot(cluster, clusters, dtype=wide, axis=0)
    sums = unit_rows(products(members, z0 + z1))
    here = members.any(1)
    apart = jnp.where(jnp.eye(clusters, dtype=bool), 0, products(sums, sums.T))
    negative = jax.nn.logsumexp(scale * apart, axis=1, where=here)
    return -scale * positive + jnp.mean(negative, where=here)
