"""SAN: a labelled source, and a target without labels whose near images are soft positives."""

import dataclasses
import math
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.lax import stop_gradient
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Real

from jcl.config.checks import check_not_negative, check_positive
from jcl.losses import map_rows, unit_rows
from jcl.losses.engine.pairwise import squared_distances
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.cross_entropy import CrossEntropy
from jcl.methods.parts.chain import embed_chain, infer_chain, init_chain, views_of_inputs
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import pair_of

_LEAST = 1e-12  # added to similarities inside a logarithm, as in the authors' code


@dataclasses.dataclass(frozen=True)
class SAN(CrossEntropy):
    """Cross-entropy on the source, and a soft contrast (`soft_contrast`) within the target.

    Examples have an `origin`. Those whose origin is `source` are labelled; one without a label (-1)
    does not count. All others are the target, and their labels are not used; they may have any
    value. The target may have classes that the source lacks. The nearer two target images are in
    the encoder's features, the more they count as positives. So images of one class, known or
    unknown, are not pushed apart as in NT-Xent. Take it for a new domain with classes of its own.
    SimCLR does not use labels, and cross-entropy does not use the target.

    The authors also train an all-in-one classifier of known and unknown classes. It is not part of
    pretraining and is left out here. They use 3.14 for pi.

    Formula: mean over the source of -log softmax(logits_i)[label_i] + contrast_weight (2B')^-2
    sum_{a != b} -[P_ab log Q_ab + (1 - P_ab) log(1 - Q_ab)] over the 2B' views of the target; P and
    Q similarities of features and of embeddings by a heavy-tailed kernel (`soft_contrast`)

    Reading: no classifier of unknown classes.

    Attributes:
        encoder: maps images to features.
        projector: maps features to embeddings [N, d], which are not normalised.
        n_classes: of the dataset.
        source: the `origin` of the labelled examples.
        contrast_weight: weight of the soft contrast; 0.4 to 0.6 in the authors' sweeps.
        feature_scale: squared distances of features are divided by it; 10 in the authors' code, 50
            in their sweeps.
        embedding_scale: squared distances of embeddings are divided by it; 1 in the code.
        nearness: the second view of an example counts as this many times nearer than the nearest
            other example.

    Source: Zang et al. 2023, "Boosting Novel Category Discovery Over Domains with Soft Contrastive
    Learning and All-in-One Classifier" (https://arxiv.org/abs/2211.11262), and the authors' code.
    """

    every_label: ClassVar = False

    projector: nn.Module
    source: int = 1
    contrast_weight: float = 0.5
    feature_scale: float = 10.0
    embedding_scale: float = 1.0
    nearness: float = 1e4

    def __post_init__(self):
        super().__post_init__()
        check_not_negative("method.contrast_weight", self.contrast_weight)
        for key in ("feature_scale", "embedding_scale", "nearness"):
            check_positive(f"method.{key}", getattr(self, key))

    @property
    def needs(self):
        """Classes, and the origin of examples."""
        return ("label", "origin")

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; encoder, head and projector."""
        networks_key, projector_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        features = jax.eval_shape(lambda: self._chains(made, views, None)[0]["encoder"])
        zeros = {"features": jnp.zeros(features.shape, features.dtype)}
        projector = init_chain(projector_key, {"projector": self.projector}, zeros)
        return Variables(
            {**made.params, **projector.params}, {**made.model_state, **projector.model_state}
        )

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; `logits` [B, V, C], `projection` [B, V, d], `features` [B, D].

        The features are those of view 0.
        """
        params, model_state, _ = variables
        found, new = self._chains(variables, views, keys)
        features, projector = {"features": found["encoder"]}, {"projector": self.projector}
        projected, new_of_it = embed_chain(projector, params, model_state, features, keys)
        embeddings = {
            "logits": found["head"],
            "projection": projected["projector"],
            "features": found["encoder"][:, 0],
        }
        return Embedded(embeddings, {}, {**model_state, **new, **new_of_it})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; metrics are both losses, and the accuracy on the source."""
        z0, z1 = pair_of(embeddings["projection"])
        is_source = batch["origin"] == self.source
        labelled = is_source & (batch["label"] >= 0)
        classified, accuracy = self._of_source(embeddings["logits"], batch["label"], labelled)
        contrast = soft_contrast(
            embeddings["features"],
            z0,
            z1,
            ~is_source,
            feature_scale=self.feature_scale,
            embedding_scale=self.embedding_scale,
            nearness=self.nearness,
            mesh=mesh,
        )
        losses = {"cross_entropy": classified, "contrast": contrast}
        metrics = {**two_view_diagnostics(z0, z1), **losses, "accuracy": accuracy}
        return Outcome(classified + self.contrast_weight * contrast, metrics, {})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """The outputs of a classifier, and `projection` [N, d]: unit rows."""
        found, projector = super().outputs(variables, inputs), {"projector": self.projector}
        projected = infer_chain(projector, *variables[:2], found["features"])
        return {**found, "projection": unit_rows(projected["projector"])}

    def _chains(self, variables, views, keys):
        """The outputs of encoder and head, and their statistics."""
        return embed_chain(self.networks, *variables[:2], views_of_inputs(views), keys)

    def _of_source(self, logits, label, labelled):
        """Mean cross-entropy and accuracy over the labelled source and all views; 0 without one."""
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        labels = label[:, None].repeat(logits.shape[1], axis=1)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        weight = labelled.astype(losses.dtype) / jnp.maximum(labelled.sum(), 1)
        right = (logits.argmax(-1) == labels).astype(losses.dtype)
        return tuple(weight @ values.mean(1) for values in (losses, right))


def soft_contrast(
    features: Float[Array, "B D"],
    z0: Float[Array, "B d"],
    z1: Float[Array, "B d"],
    included: Bool[Array, " B"],
    *,
    feature_scale: Real[ArrayLike, ""],
    embedding_scale: Real[ArrayLike, ""],
    nearness: Real[ArrayLike, ""],
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """Binary cross-entropy of embedding similarities, with feature similarities as soft targets.

    The sum is over all ordered pairs of different views a, b among the 2B' views of the B' examples
    that are included::

        L = (1 / (2B')^2) sum_{a != b} -[P_ab log(Q_ab + 1e-12) + (1 - P_ab) log(1 - Q_ab + 1e-12)]

        P_ab = k(d_ab; feature_scale, 100),   Q_ab = k(|z_a - z_b|^2; embedding_scale, 10)
        k = k0 (2 - k0),   k0(d; s, n) = 2 pi c^2 (1 + d / (s n))^-(n + 1)
        c = Gamma((n + 1) / 2) / (sqrt(n pi) Gamma(n / 2))

    d_ab is the squared distance of the two examples' features, plus r_i if a is the second view of
    i, plus r_j if b is the second view of j. r is an example's smallest distance to another one,
    divided by `nearness`, without a gradient; it is 0 if there is no other. P uses the features of
    view 0, which get gradients.

    Args:
        features: x, raw, of view 0.
        z0: raw embeddings of view 0, which are not divided by their norms.
        z1: raw embeddings of view 1.
        included: mask of the examples that count.
        feature_scale: s of features.
        embedding_scale: s of embeddings.
        nearness: see above.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Returns:
        The loss L; 0 if no example is included.
    """
    dtype = jnp.promote_types(jnp.result_type(features, z0, z1), jnp.float32)
    x, z0, z1 = (a.astype(dtype) for a in (features, z0, z1))
    columns, options = (x, included), {"mesh": mesh, "block_size": None}
    nearest = stop_gradient(map_rows(_nearest, columns, columns, (), **options)) / nearness
    rows = x, z0, z1, nearest, included
    scales = feature_scale, embedding_scale
    losses = map_rows(_sum_of_losses, rows, rows, scales, **options)
    return losses.sum() / jnp.maximum(2 * included.sum(), 1).astype(dtype) ** 2


def _nearest(index, row, columns, replicated):
    """The smallest squared distance to another included example; 0 if there is none."""
    del replicated
    (x, _), (xs, included) = row, columns
    others = included & (jnp.arange(len(xs)) != index)
    nearest = jnp.min(jnp.where(others, squared_distances(x, xs), jnp.inf))
    return jnp.where(others.any(), jnp.maximum(nearest, 0), 0)


def _sum_of_losses(index, row, columns, scales):
    """The losses of both views of an example against all views of all examples."""
    (x, z0, z1, r, is_included), (xs, *views, rs, included) = row, columns
    own = jnp.arange(len(xs)) == index
    apart = jnp.where(own, 0, jnp.maximum(squared_distances(x, xs), 0))
    total = jnp.zeros((), x.dtype)
    for view, z in enumerate((z0, z1)):
        for other, zs in enumerate(views):
            p, _ = _similarity(apart + view * r + other * rs, scales[0], 100)
            squared = jnp.maximum(squared_distances(z, zs), 0)
            q, not_q = _similarity(squared, scales[1], 10)
            losses = -p * jnp.log(q + _LEAST) - (1 - p) * jnp.log(not_q + _LEAST)
            counted = included & ~own if view == other else included
            total += jnp.sum(jnp.where(counted, losses, 0))
    return jnp.where(is_included, total, 0)


def _similarity(squared, scale, degrees: int):
    """k, and 1 - k, which does not round to 0 where k is near 1."""
    log_c = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    log_c -= math.log(degrees * math.pi) / 2
    at_zero = 2 * math.pi * math.exp(2 * log_c)
    k0 = at_zero * jnp.exp(-(degrees + 1) * jnp.log1p(squared / (scale * degrees)))
    return k0 * (2 - k0), jnp.square(1 - k0)
