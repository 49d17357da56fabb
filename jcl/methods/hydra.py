"""Hydra: any two classes are positives in a subspace of their own (Wu et al. 2024)."""

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jcl.config.checks import check_count
from jcl.losses import inner_products, map_rows, unit_rows
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.two_view import CosineContrast, pair_of
from jcl.models.projector import MLP

_TINY = 1e-12  # of a product of two squared norms, so that the cosine with a zero row is 0


@dataclasses.dataclass(frozen=True)
class Hydra(CosineContrast):
    """Examples of a randomly drawn class are positives in the dimensions of a learned gate.

    Every anchor draws a target class from the batch. A network computes a gate in (0, 1)^d from the
    embeddings of the anchor's class and the target class. The gate multiplies the dimensions of the
    anchor and of all rows that the anchor is compared with. Examples of the target class are
    positives; examples of third classes are negatives. Take it if features should hold what
    different classes share. SupCon treats all other classes alike.

    A later version of the paper calls the method SimLAP. The authors' code has BatchNorm in the
    gate and also trains a classifier. Here the gate has LayerNorm, so that it depends only on the
    two classes, and there is no classifier, because probes classify. The authors' code compares an
    anchor with itself if it draws its own class; here no anchor is compared with itself.

    Formula: mean_ip [log(exp s_ip + sum_{j: y_j not in {y_i, t_i}} exp s_ij) - s_ip], p of the
    drawn class t_i, s_ij the cosine of g_i z_i and g_i z_j, g_i the gate of y_i and t_i

    Reading: LayerNorm in the gate; no anchor is compared with itself; no further classifier.

    Attributes:
        temperature: cosines are divided by it; 0.1 in the authors' code.
        class_width: width of a class's embedding; 512 in the authors' code.
        gate_width: width of the gate's hidden layer; 1024 in the authors' code.
        n_classes: of the dataset.

    Source: Wu et al. 2024, "Rethinking Positive Pairs in Contrastive Learning"
    (https://arxiv.org/abs/2410.18200), and the authors' code.
    """

    head_parts: ClassVar = ("classes",)

    n_classes: int | None = dataclasses.field(kw_only=True)
    class_width: int = 512
    gate_width: int = 1024

    def __post_init__(self):
        super().__post_init__()
        check_count("method.class_width", self.class_width)
        check_count("method.gate_width", self.gate_width)

    @property
    def needs(self):
        """Classes."""
        return ("label",)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the networks, one embedding per class, and the gate."""
        networks_key, classes_key, gate_key = jax.random.split(key, 3)
        made = super().init(networks_key, views, data)
        width = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings.shape[-1]
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        shape = self.n_classes or 1, self.class_width
        classes = jax.random.normal(classes_key, shape, dtype)
        gate = self._gate(width, dtype).init(gate_key, classes, train=True)["params"]
        return made._replace(params={**made.params, "classes": classes, "gate": gate})

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """`gated_class_nce` of both views; the key draws a target class for every example."""
        z0, z1 = pair_of(embeddings)
        z = embeddings.reshape(-1, embeddings.shape[-1])
        label = batch["label"]
        target = jax.random.permutation(key, label)
        label, target = jnp.repeat(label, 2), jnp.repeat(target, 2)
        loss = gated_class_nce(
            z,
            self.gates(variables.params, label, target, z.shape[-1]),
            label,
            target,
            temperature=self.temperature,
            mesh=mesh,
        )
        return Outcome(loss, two_view_diagnostics(z0, z1), {})

    def gates(
        self, params, label: Int[Array, " N"], target: Int[Array, " N"], width: int
    ) -> Float[Array, "N d"]:
        """The gate of each pair of classes, the same in either order."""
        classes = params["classes"]
        pairs = (classes[label] + classes[target]) / 2
        gate = self._gate(width, classes.dtype)
        return jax.nn.sigmoid(gate.apply({"params": params["gate"]}, pairs, train=True))

    def _gate(self, width: int, dtype) -> nn.Module:
        types = {"dtype": dtype, "param_dtype": dtype}
        return MLP(hidden_dim=self.gate_width, output_dim=width, norm="layer", **types)


def gated_class_nce(
    embeddings: Float[Array, "N d"],
    gates: Float[Array, "N d"],
    label: Int[Array, " N"],
    target: Int[Array, " N"],
    *,
    temperature: float,
    mesh: Mesh | None,
) -> Float[Array, ""]:
    """Mean over anchors i and their positives p of a cross-entropy under anchor i's gate.

    With s_ij the cosine of g_i z_i and g_i z_j divided by the temperature::

        P(i) = {j != i: y_j = t_i},   N(i) = {j: y_j not in {y_i, t_i}}
        l_ip = log(exp s_ip + sum_{j in N(i)} exp s_ij) - s_ip

    Args:
        embeddings: raw, of both views.
        gates: g, of each anchor.
        label: y, the class of each.
        target: t, the class of each anchor's positives.
        temperature: cosines are divided by it.
        mesh: the batch is sharded over its axes; None computes as one device would.

    Returns:
        The mean; 0 if no anchor has a positive.
    """
    z = unit_rows(embeddings)
    # Cosines do not depend on a gate's size, but products of small gates may be less than _TINY.
    largest = jax.lax.stop_gradient(gates.max(axis=1, keepdims=True))
    gates = gates / jnp.maximum(largest, jnp.finfo(gates.dtype).tiny)
    rows = z, gates.astype(z.dtype), label, target
    columns = z, jnp.square(z), label
    total, count = map_rows(_anchor, rows, columns, temperature, mesh=mesh, block_size=None)
    return total.sum() / jnp.maximum(count.sum(), 1)


def _anchor(index, row, columns, temperature):
    """The sum of an anchor's losses, and its number of positives."""
    (anchor, gate, label, target), (keys, squares, labels) = row, columns
    # Products of g z_i and g z_j without forming the gated keys, which are N d numbers per anchor.
    products = inner_products(anchor * jnp.square(gate), keys)
    norms = inner_products(jnp.square(gate), squares) * jnp.sum(jnp.square(gate * anchor))
    logits = products / jnp.sqrt(jnp.maximum(norms, _TINY)) / temperature
    positive = (labels == target) & (jnp.arange(len(keys)) != index)
    negative = (labels != label) & (labels != target)
    rest = logsumexp(jnp.where(negative, logits, -jnp.inf))
    losses = jax.nn.softplus(rest - logits)
    return jnp.sum(jnp.where(positive, losses, 0)), jnp.sum(positive, dtype=logits.dtype)
