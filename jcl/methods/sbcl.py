"""SBCL: subclasses of large classes are the positives (Hou et al. 2023)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jcl.config.checks import check_count, check_not_negative
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.methods.base import Outcome, Variables
from jcl.methods.epoch import Epoch
from jcl.methods.parts import table
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.subclasses import counts_of_subclasses, subclasses
from jcl.methods.parts.two_view import CosineContrast, pair_of

_LEAST_RATIO = 0.1  # of a class's temperature to `temperature`: a class in one point has density 0


@dataclasses.dataclass(frozen=True)
class SBCL(CosineContrast):
    """SupCon of subclasses of about equal size, plus a contrast of classes with less weight.

    Take it for long-tailed labels. With these, large classes have most of SupCon's positives and
    spread over the sphere at the cost of small classes. With classes of equal size it is nearly
    SupCon.

    The first epochs are plain SupCon. Later, before some epochs, the projections of all training
    examples are clustered, class by class, by k-means of directions. A class of n examples gets
    n // max(size of the smallest class, `least`) subclasses. The method's state is the cluster of
    every training example within its class, and a temperature for every class; wide classes have
    higher temperatures.

    Attributes:
        temperature: cosines are divided by it among subclasses; 0.1 in the authors' code.
        class_weight: weight of the contrast of classes. The authors' code multiplies SupCon of
            subclasses by temperature / 0.07 and the contrast of classes by 0.25. This corresponds
            to 0.175 here with another learning rate.
        warm_up_epochs: number of epochs of SupCon alone.
        recluster_epochs: number of epochs between two clusterings.
        least: approximate size of a subclass, if the smallest class is smaller.
        n_classes: of the dataset.

    Formula: `mean_i [-mean_{p in S(i)} s_ip + log sum_{j != i} exp s_ij] + class_weight mean_i
    [-mean_{p in C(i)} t_ip + log sum_{j not in S(i), or v(i)} exp t_ij]`, S(i) the anchor's
    subclass, C(i) the other subclasses of its class and its other view v(i), t the cosine over the
    class's temperature

    Reading: the temperature of a class is at least a tenth of `temperature`.

    Source: Hou et al. 2023, "Subclass-balancing Contrastive Learning for Long-tailed Recognition"
    (https://arxiv.org/abs/2306.15925), and the authors' code.
    """

    n_classes: int | None = dataclasses.field(kw_only=True)
    class_weight: float = 0.175
    warm_up_epochs: int = 10
    recluster_epochs: int = 10
    least: int = 10

    def __post_init__(self):
        super().__post_init__()
        for key in ("class_weight", "warm_up_epochs"):
            check_not_negative(f"method.{key}", getattr(self, key))
        for key in ("recluster_epochs", "least"):
            check_count(f"method.{key}", getattr(self, key))

    @property
    def needs(self):
        """Classes."""
        return ("label",)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; every class is one cluster."""
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        state = {
            "clusters": table.start(data.examples, jnp.zeros((), jnp.int32)),
            "temperatures": jnp.full(self.n_classes or 1, self.temperature, dtype),
        }
        return super().init(key, views, data)._replace(method_state=state)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """`subclass_nce` of both views; see `Method.objective`."""
        diagnostics = two_view_diagnostics(*pair_of(embeddings))
        state, label = variables.method_state, batch["label"]
        of_subclasses, of_classes = subclass_nce(
            embeddings,
            label,
            table.read(state["clusters"], batch["index"]),
            temperature=self.temperature,
            temperatures=state["temperatures"][label],
            mesh=mesh,
        )
        begins = clock.step_after("method.warm_up_epochs", self.warm_up_epochs)
        begun = jnp.asarray(clock.step >= begins)
        loss = of_subclasses + jnp.where(begun, self.class_weight * of_classes, 0)
        metrics = {**diagnostics, "subclass_loss": of_subclasses, "class_loss": of_classes}
        return Outcome(loss, metrics, {})

    def at_epoch(self, variables: Variables, epoch: Epoch) -> Variables:
        """Clusters the projections of all training examples, every `recluster_epochs`."""
        since = epoch.number - self.warm_up_epochs
        if since < 0 or since % self.recluster_epochs:
            return variables
        projections, label = epoch.outputs("projection"), epoch.known("label")
        clusters = subclasses(projections, label, epoch.key, least=self.least)
        before = variables.method_state["temperatures"]
        found = self._temperatures(projections, label, len(before))
        state = {"clusters": clusters, "temperatures": found.astype(before.dtype)}
        return variables._replace(method_state=state)

    def _temperatures(self, projections, label, n_classes: int) -> Float[np.ndarray, " C"]:
        """The temperature of each class: higher for wider ones, `temperature` for one cluster."""
        counts = counts_of_subclasses(label, self.least)
        found = np.full(n_classes, float(self.temperature))
        for number, ratio in density_ratios(projections, label).items():
            if counts[number] > 1:
                found[number] *= ratio
        return found


def density_ratios(
    embeddings: Float[np.ndarray, "n d"], label: Int[np.ndarray, " n"]
) -> dict[int, float]:
    """The width of each class relative to the mean over classes, at least 0.1.

    The width of a class of n examples is their mean distance to the class's mean, divided by
    log(n + 10), and clipped to the range from the 20th to the 80th percentile of all classes.

    Args:
        embeddings: unit rows.
        label: of each.
    """
    classes, widths = np.unique(label), []
    for number in classes:
        members = embeddings[label == number].astype(np.float64)
        distances = np.linalg.norm(members - members.mean(0), axis=1)
        widths.append(distances.mean() / np.log(len(members) + 10))
    widths = np.clip(widths, *np.percentile(widths, (20, 80)))
    ratios = widths / widths.mean() if widths.mean() > 0 else np.ones(len(widths))
    ratios = np.maximum(ratios, _LEAST_RATIO)
    return {int(number): float(ratio) for number, ratio in zip(classes, ratios, strict=True)}


def subclass_nce(
    embeddings: Float[Array, "B 2 d"],
    label: Int[Array, " B"],
    cluster: Int[Array, " B"],
    *,
    temperature: float,
    temperatures: Float[Array, " B"],
    mesh: Mesh | None,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """SupCon of subclasses, and a contrast that pulls the subclasses of a class together.

    S(i) are the other embeddings of anchor i's subclass, including its other view v(i). C(i) are
    the embeddings of the other subclasses of its class, and v(i). With s the cosine over
    `temperature` and t the cosine over the class's temperature::

        first_i  = mean_{p in S(i)} -s_ip + log sum_{j != i} exp s_ij
        second_i = mean_{p in C(i)} -t_ip + log sum_{j not in S(i), or v(i)} exp t_ij

    For a class of one cluster, the first term is SupCon, and v(i) is the only positive of the
    second.

    Args:
        embeddings: raw, of both views.
        label: the class of each example.
        cluster: of each example, within its class.
        temperature: of the first term.
        temperatures: of the second term, for each example that of its class.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Returns:
        The means of both terms over the 2B anchors.
    """
    z = unit_rows(embeddings.reshape(-1, embeddings.shape[-1]))
    label, cluster = jnp.repeat(label, 2), jnp.repeat(cluster, 2)
    rows = z, label, cluster, jnp.repeat(temperatures, 2).astype(z.dtype)
    columns = z, label, cluster
    first, second = map_rows(_anchor, rows, columns, temperature, mesh=mesh, block_size=None)
    return first.mean(), second.mean()


def _anchor(index, row, columns, temperature):
    (anchor, label, cluster, class_temperature), (keys, labels, clusters) = row, columns
    cosines, position = inner_products(anchor, keys), jnp.arange(len(keys))
    other, own = position != index, position == index ^ 1  # views of an example are neighbours
    of_class = (labels == label) & other
    of_subclass = of_class & (clusters == cluster)
    outside = (other & ~of_subclass) | own

    def cross_entropy(logits, positives, among):
        return logsumexp(logits, where=among) - jnp.mean(logits, where=positives)

    first = cross_entropy(cosines / temperature, of_subclass, other)
    return first, cross_entropy(cosines / class_temperature, of_class & outside, outside)
