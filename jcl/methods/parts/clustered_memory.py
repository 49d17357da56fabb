"""A queue whose rows are in clusters, so that neighbours are near and of one kind.

Take it if the nearest rows of a queue may be of another kind; `jcl.methods.parts.nearest` needs no
clusters. Clusters come from k-means once the queue is full. From then on the rows of each batch are
assigned to clusters in equal shares, and a prototype is the mean direction of its cluster's rows.
"""

from typing import TypedDict

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jcl.losses import map_rows, sinkhorn, unit_rows
from jcl.methods.parts import prototypes as prototypes_lib
from jcl.methods.parts import queue as queue_lib
from jcl.methods.parts.kmeans import cluster_directions, mean_directions, products


class ClusteredMemory(TypedDict):
    """The state of a memory.

    Attributes:
        queue: of M unit rows [M, d].
        clusters: int32 [M], the prototype of each row.
        prototypes: unit rows [P, d].
    """

    queue: queue_lib.Queue
    clusters: Int[Array, " M"]
    prototypes: Float[Array, "P d"]


def start(
    key: PRNGKeyArray, size: int, prototypes: int, width: int, dtype: DTypeLike = jnp.float32
) -> ClusteredMemory:
    """A memory of random directions; it is usable once it is full and `cluster` was called.

    Args:
        key: for the directions.
        size: M.
        prototypes: P.
        width: d.
        dtype: float32, or float64 if rows are float64.
    """
    rows_key, prototypes_key = jax.random.split(key)
    return {
        "queue": queue_lib.start(rows_key, size, width, dtype),
        "clusters": jnp.zeros(size, jnp.int32),
        "prototypes": prototypes_lib.start(prototypes_key, prototypes, width, dtype),
    }


def assign(
    memory: ClusteredMemory, embeddings: Float[Array, "B d"], *, epsilon: float, mesh: Mesh | None
) -> Int[Array, " B"]:
    """A cluster for each row of a batch, such that clusters get about equal shares.

    Args:
        memory: before the batch is pushed.
        embeddings: raw.
        epsilon: cosines are divided by it (`jcl.losses.sinkhorn`).
        mesh: the batch is sharded over its axes; None computes as one device would.
    """
    scores = prototypes_lib.scores(embeddings, memory["prototypes"])
    return jnp.argmax(sinkhorn(scores, epsilon=epsilon, mesh=mesh), axis=1).astype(jnp.int32)


def push(
    memory: ClusteredMemory, embeddings: Float[Array, "B d"], clusters: Int[Array, " B"]
) -> ClusteredMemory:
    """Writes a batch and its clusters over the oldest rows; prototypes follow their clusters.

    Args:
        memory: before.
        embeddings: raw, in the order of the global batch.
        clusters: of each.

    Raises:
        UserError: M is not divisible by B.
    """
    position = memory["queue"]["position"]
    queue = queue_lib.push(memory["queue"], embeddings)
    all_clusters = jax.lax.dynamic_update_slice_in_dim(memory["clusters"], clusters, position, 0)
    prototypes = mean_directions(queue["rows"], all_clusters, memory["prototypes"])
    return {"queue": queue, "clusters": all_clusters, "prototypes": prototypes}


def cluster(memory: ClusteredMemory, key: PRNGKeyArray, *, iterations: int = 20) -> ClusteredMemory:
    """Clusters all rows again by k-means of unit rows, with some of the rows as first prototypes.

    Args:
        memory: full.
        key: for the choice of rows. The result depends only on memory and key.
        iterations: of Lloyd's algorithm; there is no early stop.
    """
    rows = memory["queue"]["rows"]
    count = len(memory["prototypes"])
    first = rows[jax.random.permutation(key, len(rows))[:count]]

    clusters, prototypes = cluster_directions(rows, first, iterations=iterations)
    return {"queue": memory["queue"], "clusters": clusters, "prototypes": prototypes}


def neighbours(
    memory: ClusteredMemory, embeddings: Float[Array, "B d"], count: int, mesh: Mesh | None
) -> Float[Array, "B {count} d"]:
    """The nearest rows in the cluster of each embedding's nearest prototype, the nearest first.

    If the cluster has at most `count` rows, they are the nearest of all rows. Neither side gets a
    gradient.

    Args:
        memory: full and clustered.
        embeddings: raw, sharded over the mesh.
        count: number of neighbours, fewer than M.
        mesh: the embeddings are sharded over its axes; None computes as one device would.
    """

    def of_row(index, row, columns, memory):
        del index, columns
        rows, clusters, prototypes = memory
        inside = clusters == jnp.argmax(products(prototypes, row))
        inside = inside | (inside.sum() <= count)
        similarity = jnp.where(inside, products(rows, row), -jnp.inf)
        return rows[jax.lax.top_k(similarity, count)[1]]

    held = memory["queue"]["rows"], memory["clusters"], memory["prototypes"]
    rows, held = jax.lax.stop_gradient((unit_rows(embeddings), held))
    return map_rows(of_row, rows, (), held, mesh=mesh, block_size=None)
