"""BECLR: a masked student, its teacher, and neighbours from a clustered memory (2024)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.nn import logmeanexp, logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float

from jcl.config.checks import (
    check_choice,
    check_count,
    check_decay,
    check_not_negative,
    check_positive,
)
from jcl.errors import UserError
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.parts import clustered_memory as memory_lib
from jcl.methods.parts import prototypes as prototypes_lib
from jcl.methods.parts.chain import views_of_inputs
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.hidden_patches import hide_patches
from jcl.methods.parts.momentum import MOMENTUM, Momentum, embed_copies
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.two_view import pair_of

MEMORIES = "memories"
# The memories that each way of using neighbours reads.
NEIGHBOURS = {"positives": ("target",), "released": ("target", "prediction", "projection")}


@dataclasses.dataclass(frozen=True)
class BECLR(Momentum, Predicted):
    """A masked student predicts the teacher's projection of the other view, and its neighbours.

    Take it for few-shot episodes (`jcl.probes.opta` is its probe), and for batches too small to
    have several images of one kind. BYOL has no neighbours and no term that spreads projections.
    NNCLR has one neighbour and no teacher.

    A memory holds M rows of the newest batches, of both views, in clusters. k-means clusters the
    memory when it is full for the first time, and again after every `recluster_epochs`. In between,
    the rows of each batch are assigned to prototypes in equal shares, and a prototype is the mean
    of its rows. From `start_epochs` on, once the memory is full, every row has k neighbours: the
    nearest rows in the cluster of its nearest prototype, from before the batch.

    `neighbours="positives"` is ours: the positives of a prediction are the teacher's other view and
    this view's k neighbours, with equal weights. `neighbours="released"` is the authors' code: it
    has a memory each for the teacher's, the predicted and the projected rows, and appends
    neighbours to all three. The neighbours get no gradient. So they only shrink the gradient of the
    positive term, by 1 / (1 + k), and add rows to the spreading term. Two details of that code are
    not adopted: it stores a batch before it searches neighbours, so that a row finds itself, and it
    assigns batches to the farthest prototypes.

    Formula: -1/2 mean_i [cos(p_i0, t_i1) + cos(p_i1, t_i0)] + negative_weight log mean_a mean_{b
    not in {a, partner}} exp(cos(z_a, z_b) / temperature)

    Reading: `neighbours="positives"`, which is the default; "released" is the authors' code without
    two of its details.

    Attributes:
        decay: of the teacher's moving average in the first step.
        decay_end: the decay at the end of the run; a cosine leads to it.
        temperature: cosines are divided by it in the term that spreads projections.
        negative_weight: of that term; 0.1 in the released code.
        mask_share: share of the student's patches that are hidden; 0 if examples are not images.
        patch_size: side of a patch in pixels.
        memory: M, a multiple of twice the batch; 8192 in the released code.
        prototypes: number of clusters; 200 in the released code.
        epsilon: cosines with prototypes are divided by it when a batch is assigned to prototypes.
        k: neighbours of a row; with 0 there is no memory; 5 for a ResNet-18 and 3 for a ResNet-50
            in the released code.
        neighbours: positives, or released.
        start_epochs: number of epochs after which neighbours are used.
        recluster_epochs: number of epochs after which k-means clusters the memory again.

    Source: Poulakakis-Daktylidis & Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot
    Learning" (https://arxiv.org/abs/2402.02444), of which the memory is the part called DyCE;
    equations and numbers are those of the code released with it.
    """

    decay: float = 0.995
    decay_end: float = 1.0
    temperature: float = 2.0
    negative_weight: float = 0.1
    mask_share: float = 0.15
    patch_size: int = 16
    memory: int = 8192
    prototypes: int = 200
    epsilon: float = 0.05
    k: int = 5
    neighbours: str = "positives"
    start_epochs: float = 60.0
    recluster_epochs: int = 60

    def __post_init__(self):
        super().__post_init__()
        for key in ("temperature", "epsilon"):
            check_positive(f"method.{key}", getattr(self, key))
        for key in ("negative_weight", "start_epochs"):
            check_not_negative(f"method.{key}", getattr(self, key))
        for key in ("patch_size", "memory", "recluster_epochs"):
            check_count(f"method.{key}", getattr(self, key))
        check_count("method.k", self.k or None)
        check_decay("method.mask_share", self.mask_share)
        check_choice("method.neighbours", self.neighbours, NEIGHBOURS)
        prototypes_lib.check("method.prototypes", self.prototypes)
        if max(self.prototypes, self.k + 1) > self.memory:
            raise UserError(
                f"method.memory={self.memory} is impossible: it must be more than "
                f"method.k={self.k} and at least method.prototypes={self.prototypes}"
            )

    @property
    def _memories(self) -> tuple[str, ...]:
        return NEIGHBOURS[self.neighbours] if self.k else ()

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; networks, copies, and memories as wide as the projections."""
        networks_key, memories_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        projections = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings[MOMENTUM]
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        sizes = self.memory, self.prototypes, projections.shape[-1], dtype
        memories = {
            name: memory_lib.start(jax.random.fold_in(memories_key, number), *sizes)
            for number, name in enumerate(self._memories)
        }
        return made._replace(method_state={**made.method_state, MEMORIES: memories})

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the networks see views with hidden patches, the copies see all."""
        views = views_of_inputs(views)
        hidden = views
        if self.mask_share and keys is not None:
            hidden = hide_patches(views, keys, share=self.mask_share, size=self.patch_size)
        # Not Momentum's embed, which passes the same views to networks and copies.
        online = super(Momentum, self).embed(variables, hidden, keys)
        copied = {name: self.networks[name] for name in ("encoder", "projector")}
        outputs, statistics = embed_copies(copied, variables, views, keys)
        return online._replace(
            embeddings={**online.embeddings, MOMENTUM: outputs["projector"]},
            model_state={**online.model_state, MOMENTUM: statistics},
        )

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """`beclr_loss`, with neighbours once they are used."""
        rows = {
            "target": unit_rows(jax.lax.stop_gradient(embeddings[MOMENTUM])),
            "prediction": embeddings["prediction"],
            "projection": embeddings["projection"],
        }
        diagnostics = two_view_diagnostics(*pair_of(rows["projection"]))
        metrics = {**diagnostics, "decay": 1 - self.share(clock)}
        if not self._memories:
            return Outcome(self._loss(rows, mesh), metrics, {})
        memories = variables.method_state[MEMORIES]
        kept = {name: _flat(jax.lax.stop_gradient(rows[name])) for name in self._memories}
        self._check_memory(len(kept["target"]))
        loss = jax.lax.cond(
            self._has_begun(clock, len(kept["target"])),
            lambda: self._loss({**rows, **self._enhanced(memories, rows, mesh)}, mesh),
            lambda: self._loss(rows, mesh),
        )
        clusters = {
            name: memory_lib.assign(memories[name], kept[name], epsilon=self.epsilon, mesh=mesh)
            for name in self._memories
        }
        return Outcome(loss, metrics, {"rows": kept, "clusters": clusters, "key": key})

    def after_update(self, variables, carry, clock) -> Variables:
        """Updates the teacher, and replaces the oldest rows of the memories by the batch's rows."""
        variables = super().after_update(variables, carry, clock)
        if not self._memories:
            return variables
        memories = {}
        for number, name in enumerate(self._memories):
            rows, clusters = carry["rows"][name], carry["clusters"][name]
            pushed = memory_lib.push(variables.method_state[MEMORIES][name], rows, clusters)
            of_memory = jax.random.fold_in(carry["key"], number)
            memories[name] = jax.lax.cond(
                self._clusters_now(clock, len(rows)),
                lambda memory, key=of_memory: memory_lib.cluster(memory, key),
                lambda memory: memory,
                pushed,
            )
        return variables._replace(method_state={**variables.method_state, MEMORIES: memories})

    def _loss(self, rows, mesh):
        return beclr_loss(
            rows["prediction"],
            rows["target"],
            rows["projection"],
            temperature=self.temperature,
            negative_weight=self.negative_weight,
            mesh=mesh,
        )

    def _enhanced(self, memories, rows, mesh):
        """The batch's rows together with their neighbours from the memories."""
        found = {}
        for name in self._memories:
            # [B, 2, 1 + k, d]: the row itself, and its neighbours.
            own = unit_rows(rows[name])
            near = memory_lib.neighbours(memories[name], _flat(own), self.k, mesh)
            near = near.reshape(*own.shape[:2], self.k, own.shape[-1])
            both = jnp.concatenate([own[:, :, None], near.astype(own.dtype)], axis=2)
            if self.neighbours == "positives":
                found[name] = both.mean(2)  # the mean of cosines is the product with the mean
            else:
                found[name] = both.swapaxes(1, 2).reshape(-1, 2, own.shape[-1])
        return found

    def _check_memory(self, rows: int) -> None:
        if self.memory % rows:
            raise UserError(
                f"method.memory={self.memory} is impossible with batches of {rows // 2}: it must "
                f"be a multiple of {rows}, the number of rows of both views"
            )

    def _has_begun(self, clock, rows: int) -> Bool[Array, ""]:
        waited = clock.step_after("method.start_epochs", self.start_epochs)
        return jnp.asarray(clock.step >= max(waited, self.memory // rows))

    def _clusters_now(self, clock, rows: int) -> Bool[Array, ""]:
        """Whether the memory has just become full, or is full and a clustering epoch ends."""
        taken, first = jnp.asarray(clock.step + 1), self.memory // rows
        epoch_ends = taken % (self.recluster_epochs * clock.steps_per_epoch) == 0
        return (taken == first) | ((taken > first) & epoch_ends)


def beclr_loss(
    predictions: Float[Array, "B 2 d"],
    targets: Float[Array, "B 2 d"],
    projections: Float[Array, "N 2 d"],
    *,
    temperature: float,
    negative_weight: float,
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """Distance of predictions from the other view's targets, plus nearness of projections.

    With p and z the unit predictions and projections and t the targets::

        L_pos = -1/2 [ mean_i <p_i1, t_i2> + mean_i <p_i2, t_i1> ]
        L_neg = log mean_a ( 1/(2N - 2) sum_{b not in {a, partner}} exp(<z_a, z_b> / temperature) )
        L     = L_pos + negative_weight L_neg

    The logarithm of L_neg is outside of the mean over the 2N anchors a. The partner of an anchor is
    the other view of its example.

    Args:
        predictions: raw, of both views.
        targets: of both views, unit rows or means of unit rows. They get no gradient.
        projections: raw, N > 1.
        temperature: cosines are divided by it.
        negative_weight: of L_neg.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Raises:
        UserError: N is 1, so there are no negatives.
    """
    if len(projections) < 2:
        raise UserError("batch_size=1 leaves method.name='beclr' no negatives: it needs at least 2")
    targets = jax.lax.stop_gradient(targets[:, ::-1])
    positive = -jnp.sum(unit_rows(predictions) * targets, axis=-1).mean()
    anchors = _flat(unit_rows(projections))
    sums = map_rows(_log_sum, anchors, anchors, temperature, mesh=mesh, block_size=None)
    negative = logmeanexp(sums) - jnp.log(len(anchors) - 2.0)
    return positive + negative_weight * negative


def _log_sum(index, anchor, anchors, temperature):
    others = jnp.arange(len(anchors)) // 2 != index // 2
    return logsumexp(inner_products(anchor, anchors) / temperature, where=others)


def _flat(views):
    """[B, 2, d] as [2B, d], the views of an example side by side."""
    return views.reshape(-1, views.shape[-1])
