"""NNCLR: the nearest neighbour of one view is the positive of the other view (Dwibedi 2021)."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.config.checks import check_count
from jcl.losses import one_way_nce, unit_rows
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts import queue as queue_lib
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.nearest import nearest
from jcl.methods.parts.predictor import Predicted
from jcl.methods.parts.two_view import CosineContrast, pair_of


@dataclasses.dataclass(frozen=True)
class NNCLR(Predicted, CosineContrast):
    """Contrast of predictions with nearest neighbours from a queue of past projections.

    Take it if two views of an image differ too little, or in the wrong way: a neighbour is another
    image. In SimCLR the positive is the other view itself. MoCo v2 also has a queue, but of
    negatives.

    The method's state is the queue: unit projections of first views, initially random directions.
    Predictions on all devices get gradients, neighbours do not.

    Formula: 1/2 mean_i [-s(n_i0, p_i1) + log sum_j exp s(n_i0, p_j1)] + the reverse, n_iv the
    nearest row of the queue to z_iv

    Attributes:
        temperature: cosines are divided by it; 0.1 in the paper.
        queue_size: number of projections in the queue, a multiple of the batch; 98304 in the paper,
            65536 in solo-learn.

    Source: Dwibedi et al. 2021, "With a Little Help from My Friends: Nearest-Neighbor Contrastive
    Learning of Visual Representations" (https://arxiv.org/abs/2104.14548), Eq. 3 and Alg. 1.
    """

    queue_size: int = 98304

    def __post_init__(self):
        super().__post_init__()
        check_count("method.queue_size", self.queue_size)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the networks, and a queue as wide as the projections."""
        networks_key, queue_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        shapes = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        width = shapes["projection"].shape[-1]
        queue = queue_lib.start(queue_key, self.queue_size, width, dtype)
        return made._replace(method_state=queue)

    def loss(
        self, neighbours: Float[Array, "B d"], predictions: Float[Array, "B d"], mesh: Mesh | None
    ) -> Float[Array, ""]:
        """One direction: cross-entropy of each neighbour's own prediction among the batch's."""
        return one_way_nce(neighbours, predictions, temperature=self.temperature, mesh=mesh)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """Mean of both directions; the queue is that of earlier steps.

        The metric `neighbour_similarity` is the mean cosine of a projection with its neighbour.
        """
        z0, z1 = pair_of(embeddings["projection"])
        p0, p1 = pair_of(embeddings["prediction"])
        queue_lib.check_size("method.queue_size", self.queue_size, len(z0))
        found = [nearest(z, variables.method_state["rows"], mesh) for z in (z0, z1)]
        loss = (self.loss(found[0], p1, mesh) + self.loss(found[1], p0, mesh)) / 2
        similarity = jnp.sum(jax.lax.stop_gradient(unit_rows(z0)) * found[0], axis=1).mean()
        metrics = {**two_view_diagnostics(z0, z1), "neighbour_similarity": similarity}
        return Outcome(loss, metrics, {"keys": z0})

    def after_update(self, variables, carry, clock) -> Variables:
        """The projections of first views replace the oldest rows of the queue."""
        pushed = queue_lib.push(variables.method_state, carry["keys"])
        return variables._replace(method_state=pushed)
