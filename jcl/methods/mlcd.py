"""MLCD: each image belongs to the several clusters that lie nearest to it (An et al. 2024)."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp, softplus
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jcl.config.checks import check_count, check_not_negative, check_positive, check_share
from jcl.errors import UserError
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.losses.engine.pairwise import with_all_columns
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts import prototypes
from jcl.methods.parts.two_view import TwoViewNetworks

_ROWS = "classes"


@dataclasses.dataclass(frozen=True)
class MLCD(TwoViewNetworks):
    """Classification among very many clusters; an example belongs to several, `clusters` [l].

    The clusters come from k-means of another network's features, computed before training
    (`python -m jcl.data.prepare --clusters_of`). Row c of the parameter `classes` is for cluster
    c. This parameter is split over all devices, and no device ever holds the rows of another. A
    step compares all embeddings with a random share of the classes, the same for the whole batch.
    Take it if images show several things, and there are too many classes for a softmax over all of
    them. SwAV finds its clusters during training, and has few.

    The scale, the margin and the sampling are our reading, because the training code is not public.
    The paper prints cosines without a scale, with which a hundred thousand negatives would leave
    no gradient, and calls the loss margin-based. The scale is that of the authors' UNICOM. The
    authors sample by PartialFC, which takes a random subset and the positives of the whole batch.
    Here the classes are divided into runs of consecutive classes, and one negative is drawn from
    each run. So the negatives do not depend on mesh or batch.

    Formula: mean_i [log(1 + sum_{p in P(i)} exp -s_ip) + log(1 + sum_{n in N(i)} exp s_in)], s_ic =
    scale cos(z_i, w_c), P(i) the clusters of example i, N(i) the drawn classes without these

    Reading: scale and margin, and how negatives are drawn: the training code is not public.

    Attributes:
        classes: number of clusters, k, a multiple of the number of devices; 1,000,000 in the paper.
        positives: number of an example's clusters that count, the first of `clusters`; 8 in the
            paper. None takes all.
        share: share of the classes that a step draws as negatives; 0.1 in the paper.
        scale: cosines are multiplied by it; 32 in UNICOM's code.
        margin: in radians, added to the angle between an example and its clusters; 0.3 in UNICOM's
            code for retrieval.

    Source: An et al. 2024, "Multi-label Cluster Discrimination for Visual Representation Learning"
    (https://arxiv.org/abs/2407.17331), sections 3.2 and 4.1; An et al. 2022, "Killing Two Birds
    with One Stone: Efficient and Robust Training of Face Recognition CNNs by Partial FC"
    (https://arxiv.org/abs/2203.15565).
    """

    classes: int = 1_000_000
    positives: int | None = None
    share: float = 0.1
    scale: float = 32.0
    margin: float = 0.0

    split: ClassVar = (_ROWS,)

    def __post_init__(self):
        super().__post_init__()
        check_count("method.positives", self.positives)
        check_share("method.share", self.share)
        check_positive("method.scale", self.scale)
        check_not_negative("method.margin", self.margin)
        prototypes.check("method.classes", self.classes)

    @property
    def needs(self):
        """The numbers of the clusters that an example belongs to, the nearest first."""
        return ("clusters",)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the networks, and a random unit row for each class."""
        held = data.example.get("clusters")  # examples that are only probed may have none
        if held is not None and not (held.ndim == 1 and jnp.issubdtype(held.dtype, jnp.integer)):
            raise UserError(
                "method.name='mlcd' takes the clusters of every example as integers [n, l], but "
                f"those of an example are {held.dtype}{list(held.shape)}"
            )
        if held is not None and (self.positives or 1) > held.shape[0]:
            raise UserError(
                f"method.positives={self.positives} is impossible: examples have "
                f"{held.shape[0]} clusters"
            )
        networks_key, classes_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        width = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings.shape[-1]
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        rows = prototypes.start(classes_key, self.classes, width, dtype)
        return made._replace(params={**made.params, _ROWS: rows})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """The mean over examples and views; NaN if a cluster's number is not below `classes`.

        Raises:
            UserError: the classes cannot be split evenly over the devices.
        """
        if mesh is not None and self.classes % mesh.size:
            raise UserError(
                f"method.classes={self.classes} is not divisible by the {mesh.size} devices over "
                "which the classes are split"
            )
        views = embeddings.shape[1]
        z = embeddings.reshape(-1, embeddings.shape[-1])
        clusters = jnp.repeat(batch["clusters"][:, : self.positives], views, axis=0)
        cosines, others = cosines_and_negatives(
            z,
            variables.params[_ROWS],
            clusters,
            draw(key, self.classes, self.share),
            scale=self.scale,
            mesh=mesh,
        )
        logits = self.scale * with_margin(cosines, self.margin)
        loss = jnp.mean(softplus(logsumexp(-logits, axis=1)) + softplus(others))
        known = jnp.all((clusters >= 0) & (clusters < self.classes))
        metrics = {"positive_similarity": cosines.mean()}
        return Outcome(jnp.where(known, loss, jnp.nan), metrics, {})


def draw(key: PRNGKeyArray, classes: int, share: float) -> Int[Array, " m"]:
    """One class from each of m runs of consecutive classes, in rising order; m is share * classes.

    Args:
        key: for the draw.
        classes: number of classes, k.
        share: in (0, 1]; 1 gives all classes.
    """
    first = _first_of_runs(classes, max(1, round(share * classes)))
    return jax.random.randint(key, (len(first) - 1,), first[:-1], first[1:], jnp.int32)


def cosines_and_negatives(
    embeddings: Float[Array, "N d"],
    rows: Float[Array, "k d"],
    positives: Int[Array, "N l"],
    sample: Int[Array, " m"],
    *,
    scale: float,
    mesh: Mesh | None,
) -> tuple[Float[Array, "N l"], Float[Array, " N"]]:
    """Cosines with an example's classes, and the logsumexp of those with the drawn classes.

    Each device computes the part of its own rows for all examples. So embeddings are gathered, and
    rows are not.

    Args:
        embeddings: raw.
        rows: of the classes, raw, split over the mesh.
        positives: of each example, all different.
        sample: from `draw`. An example's own classes are not among its negatives.
        scale: multiplies the cosines of the second result.
        mesh: embeddings and rows are split over its axes; None computes as one device would.

    Returns:
        Both; the second is a large negative number if an example has no negative.
    """
    classes, devices = len(rows), 1 if mesh is None else mesh.size
    here = classes // devices
    # A device's rows overlap with at most this many runs. The outer two may extend beyond them.
    count = min(len(sample), math.ceil(here * len(sample) / classes) + 1)
    first = _first_of_runs(classes, len(sample))

    def of_device(held, columns, replicated):
        numbers, rows = held
        embeddings, positives = columns
        sample, first = replicated
        run = jnp.searchsorted(first, numbers[0], side="right") - 1
        drawn = jax.lax.dynamic_slice_in_dim(sample, run, count)
        wanted = jnp.concatenate([positives.reshape(-1), drawn]) - numbers[0]
        is_here = (wanted >= 0) & (wanted < here)
        taken = unit_rows(rows[jnp.clip(wanted, 0, here - 1)])
        own, others = taken[: positives.size], taken[positives.size :]
        own_here, others_here = is_here[: positives.size], is_here[positives.size :]
        own = own.reshape(*positives.shape, -1)
        cosines = jax.vmap(inner_products)(embeddings, own)
        cosines = jnp.where(own_here.reshape(positives.shape), cosines, 0)
        # One block of examples at a time, so that not all logits are in memory.
        examples, columns = (embeddings, positives), (others, drawn, others_here)
        options = {"mesh": None, "block_size": None}
        return cosines[None], map_rows(_negatives, examples, columns, scale, **options)[None]

    held = jnp.arange(classes, dtype=jnp.int32), rows
    columns, replicated = (unit_rows(embeddings), positives), (sample, jnp.asarray(first))
    cosines, others = with_all_columns(of_device, held, columns, replicated, mesh=mesh)
    return cosines.sum(0), logsumexp(others, axis=0)


def _negatives(index, example, columns, scale):
    """The logsumexp of an example's logits with this device's classes that are not its own."""
    del index
    (embedding, positives), (rows, drawn, is_here) = example, columns
    logits = scale * inner_products(embedding, rows)
    is_own = (drawn[:, None] == positives).any(1)
    # Not minus infinity: if no class is left, the gradient would be NaN.
    return logsumexp(jnp.where(is_here & ~is_own, logits, jnp.finfo(logits.dtype).min / 4))


def with_margin(cosines: Float[Array, "..."], margin: float) -> Float[Array, "..."]:
    """The cosine of the angle plus `margin`, so that an example must be nearer by the margin.

    Args:
        cosines: of angles up to pi - margin; for larger angles the result would rise again.
        margin: in radians.
    """
    # The sine has an infinite slope at an angle of zero.
    sines = jnp.sqrt(jnp.maximum(1 - jnp.square(cosines), jnp.finfo(cosines.dtype).eps))
    return cosines * math.cos(margin) - sines * math.sin(margin)


def _first_of_runs(classes: int, runs: int) -> np.ndarray:
    """The first class of each of `runs` runs of nearly equal length, and the number of classes."""
    return (np.arange(runs + 1, dtype=np.int64) * classes // runs).astype(np.int32)
