"""Core-tuning: fine-tuning with a focal SupCon loss on mixed features (Zhang et al. 2021)."""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.nn import logsumexp
from jax.sharding import Mesh
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, PRNGKeyArray, Real

from jcl.config.checks import check_count, check_not_negative, check_positive, check_probability
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.cross_entropy import CrossEntropy
from jcl.methods.parts.chain import embed_chain, views_of_inputs
from jcl.models.projector import MLP

_HEAD = "contrast_head"


class Mixtures(NamedTuple):
    """Features that are each mixed from two examples, and their mixed labels.

    Attributes:
        features: f, [N, D].
        first: the class of one part, [N].
        second: the class of the other part, [N].
        share: the share of the first part, [N].
    """

    features: Float[Array, "N D"]
    first: Int[Array, " N"]
    second: Int[Array, " N"]
    share: Float[Array, " N"]


@dataclasses.dataclass(frozen=True)
class CoreTuning(CrossEntropy):
    """Fine-tuning of a pretrained encoder: cross-entropy and a contrast, with mixed features too.

    The encoder comes from another run: `init_from=(("encoder", WORKDIR),)`. Each example's features
    get two mixtures (`hard_mixtures`): one near another example, and one between the example's
    least similar positive and its most similar negative. A classifier learns the mixed labels of
    all of them. A second head contrasts all of them (`focal_supcon`); two mixtures are of one class
    if their mixed labels are equal. Take it to fine-tune with few labels. Cross-entropy alone keeps
    less of the pretrained features, and SupCon trains no classifier.

    Each view is treated as an example. The authors' code differs in three points. It passes no
    gradient to the encoder through unmixed features. A class's least similar positive may be an
    example of another class. The contrast of an anchor is the mean over all rows instead of its
    positives. The weight of the contrast there is 10 by default, and the paper's 0.1 in the command
    of the README.

    Formula: mean_a -sum_c y_ac log softmax(logits_a)[c] + contrast_weight mean_{a: P(a) not empty}
    mean_{p in P(a)} -(1 - p_ap)^focal log p_ap, p_ap = exp s_ap / sum_{b != a} exp s_ab, over
    features a and two mixtures of each, y_a their mixed labels, P(a) the other rows of a's class

    Reading: gradients through unmixed features; the mean over positives.

    Attributes:
        contrast_weight: eta, of the contrast; 0.1 in the paper for CIFAR-10.
        temperature: cosines are divided by it; 0.07 in the code.
        focal: exponent of 1 minus a positive's probability; this power multiplies its loss.
        contrast_width: width of the contrast's embeddings; 256 in the code.
        least_share: smallest share of the other example in the first mixture; 0.8 in the code.
        mix: whether there are mixtures.

    Source: Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models
    via Contrast-Regularized Fine-Tuning" (https://arxiv.org/abs/2102.06605), and the authors' code.
    """

    contrast_weight: float = 0.1
    temperature: float = 0.07
    focal: float = 1.0
    contrast_width: int = 256
    least_share: float = 0.8
    mix: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_positive("method.temperature", self.temperature)
        check_count("method.contrast_width", self.contrast_width)
        check_probability("method.least_share", self.least_share)
        for key in ("contrast_weight", "focal"):
            check_not_negative(f"method.{key}", getattr(self, key))

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; encoder, head, and the contrast's head."""
        networks_key, head_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        features = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings
        zeros = jnp.zeros((1, features.shape[-1]), features.dtype)
        head = self._contrast_head(features.shape[-1]).init(head_key, zeros, train=True)
        return made._replace(params={**made.params, _HEAD: head["params"]})

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; the embeddings are features [B, V, D]."""
        params, model_state, _ = variables
        encoder, views = {"encoder": self.encoder}, views_of_inputs(views)
        found, new = embed_chain(encoder, params, model_state, views, keys)
        return Embedded(found["encoder"], {}, {**model_state, **new})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; metrics are both losses, and the accuracy on unmixed features."""
        views, width = embeddings.shape[1:]
        label = jnp.repeat(batch["label"], views)
        features = embeddings.reshape(-1, width)
        features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
        parts = [Mixtures(features, label, label, jnp.ones(len(label), features.dtype))]
        if self.mix:
            parts += hard_mixtures(key, features, label, least_share=self.least_share, mesh=mesh)
        # Interleaved, so that every row of a sharded batch stays on its device.
        mixed = jax.tree.map(_side_by_side, *parts)
        logits = self._apply(self.networks["head"], variables, "head", mixed.features)
        log_p = jax.nn.log_softmax(logits)
        of_first, of_second = (_at(log_p, label) for label in (mixed.first, mixed.second))
        classified = -jnp.mean(mixed.share * of_first + (1 - mixed.share) * of_second)
        contrast = focal_supcon(
            self._apply(self._contrast_head(width), variables, _HEAD, mixed.features),
            classes_of(mixed),
            temperature=self.temperature,
            focal=self.focal,
            mesh=mesh,
        )
        right = logits[:: len(parts)].argmax(-1) == label
        metrics = {"cross_entropy": classified, "contrast": contrast, "accuracy": right.mean()}
        return Outcome(classified + self.contrast_weight * contrast, metrics, {})

    def outputs(self, variables, inputs) -> dict[str, Float[Array, "N ..."]]:
        """Outputs of a classifier, and `projection` [N, d]: the unit rows of the contrast."""
        found = super().outputs(variables, inputs)
        head = self._contrast_head(found["features"].shape[-1])
        projection = self._apply(head, variables, _HEAD, found["features"])
        return {**found, "projection": unit_rows(projection)}

    def _contrast_head(self, width: int) -> nn.Module:
        # Without BatchNorm, as in the authors' code, so that `objective` changes no statistics.
        dtype = self.encoder.param_dtype
        types = {"dtype": dtype, "param_dtype": dtype}
        return MLP(hidden_dim=width, output_dim=self.contrast_width, norm="none", **types)

    def _apply(self, module, variables, name, features):
        return module.apply({"params": variables.params[name]}, features, train=True)


def hard_mixtures(
    key: PRNGKeyArray,
    features: Float[Array, "N D"],
    label: Int[Array, " N"],
    *,
    least_share: float,
    mesh: Mesh | None,
) -> list[Mixtures]:
    """Two mixtures for each example, a hard negative and a hard positive.

    The first is (1 - l) f_i + l f_j, with j from a permutation of the batch and l the larger of a
    uniform number and `least_share`. The second is l f_p + (1 - l) f_n with l uniform. Here p is
    the example of i's class with the smallest cosine to i, and n is the example of another class
    with the largest. If i is the only example of its class, p = i. In a batch of one class, n = i.

    Args:
        key: for all random numbers.
        features: raw.
        label: of each.
        least_share: see above.
        mesh: the batch is sharded over its axes; None computes as one device would.
    """
    order_key, near_key, between_key = jax.random.split(key, 3)
    unit = unit_rows(jax.lax.stop_gradient(features))
    columns = unit, label
    positive, negative = map_rows(_extremes, columns, columns, (), mesh=mesh, block_size=None)
    own, drawn = jnp.arange(len(label)), jax.random.permutation(order_key, len(label))
    shape, dtype = label.shape, features.dtype
    near = jnp.maximum(jax.random.uniform(near_key, shape, dtype), least_share)
    between = jax.random.uniform(between_key, shape, dtype)
    pairs = (drawn, own, near), (positive, negative, between)
    return [
        Mixtures(
            share[:, None] * features[i] + (1 - share)[:, None] * features[j],
            label[i],
            label[j],
            share,
        )
        for i, j, share in pairs
    ]


def classes_of(mixed: Mixtures) -> Int[Array, " N"]:
    """The class of mixtures within a class; every other mixture has a class of its own."""
    alone = -1 - jnp.arange(len(mixed.first), dtype=mixed.first.dtype)
    return jnp.where(mixed.first == mixed.second, mixed.first, alone)


def focal_supcon(
    embeddings: Float[Array, "M d"],
    classes: Int[Array, " M"],
    *,
    temperature: Real[ArrayLike, ""],
    focal: Real[ArrayLike, ""],
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """SupCon of one view, in which a positive counts less the more probable it is.

    With s the cosine divided by the temperature, P(i) the other rows of anchor i's class and
    log p_ip = s_ip - log sum_{j != i} exp s_ij::

        l_i = mean_{p in P(i)} -(1 - p_ip)^focal log p_ip

    Args:
        embeddings: raw.
        classes: only compared for equality.
        temperature: cosines are divided by it.
        focal: 0 is SupCon. The factor has a gradient too.
        mesh: the rows are sharded over its axes; None computes as one device would.

    Returns:
        The mean of l_i over the anchors with positives; 0 where none has any.
    """
    rows = unit_rows(embeddings), classes
    scales = temperature, focal
    losses, has_any = map_rows(_focal, rows, rows, scales, mesh=mesh, block_size=None)
    return losses.sum() / jnp.maximum(has_any.sum(), 1)


def _focal(index, row, columns, scales):
    (anchor, own), (keys, classes), (temperature, focal) = row, columns, scales
    others = jnp.arange(len(keys)) != index
    positive = others & (classes == own)
    logits = inner_products(anchor, keys) / temperature
    log_p = logits - logsumexp(logits, where=others)
    log_p = jnp.where(positive, log_p, -1)
    # Where p rounds to 1, the power of 1 - p would have no gradient.
    factor = jnp.maximum(-jnp.expm1(log_p), jnp.finfo(log_p.dtype).tiny) ** focal
    loss = -jnp.sum(jnp.where(positive, factor * log_p, 0)) / jnp.maximum(positive.sum(), 1)
    return loss, positive.any()


def _extremes(index, row, columns, replicated):
    """Positions of the least similar positive and the most similar negative, or the row's own."""
    del replicated
    (anchor, own), (keys, labels) = row, columns
    cosines, same = inner_products(anchor, keys), labels == own
    least = jnp.argmin(jnp.where(same, cosines, jnp.inf))  # the row itself is never the farthest
    most = jnp.argmax(jnp.where(same, -jnp.inf, cosines))
    return least, jnp.where(same.all(), index, most)


def _side_by_side(*arrays):
    return jnp.stack(arrays, axis=1).reshape(-1, *arrays[0].shape[1:])


def _at(log_p: Float[Array, "N C"], label: Int[Array, " N"]) -> Float[Array, " N"]:
    return -optax.softmax_cross_entropy_with_integer_labels(log_p, label)
