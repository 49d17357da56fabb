"""SwAV: each view predicts the prototype assignment of another view (Caron et al. 2020)."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.scipy.special import entr
from jaxtyping import Array, Float

from jcl.config.checks import check_count, check_not_negative, check_positive
from jcl.losses import sinkhorn
from jcl.methods.base import Outcome, Variables
from jcl.methods.parts import prototypes as prototypes_lib
from jcl.methods.parts import queue as queue_lib
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.equal_views import check_several
from jcl.methods.parts.two_view import TwoViewNetworks

CODE_VIEWS = 2


@dataclasses.dataclass(frozen=True)
class SwAV(TwoViewNetworks):
    """Swapped prediction of assignments to prototypes, balanced over the global batch.

    `jcl.losses.sinkhorn` assigns the first two views to prototypes, without gradient. These
    assignments are called codes, and every other view of the example predicts them. Further views,
    of any size, come from `views.name="multi_crop"`. Take this instead of SimCLR for several small
    views, or if other examples of the same kind must not be pushed away: there are no negatives.

    If a batch has fewer examples than there are prototypes, codes are coarse. A queue of older
    embeddings for each of the two views (`queue_size`) then helps: the codes of batch and queue are
    computed together with the current prototypes, and only the batch's codes are used. The queues
    are the method's state. They are used once they are full and `queue_epochs` have passed.

    The prototypes [K, d] are the parameter `prototypes`, whose rows are scaled to norm one after
    every update. While they are frozen (`hold_epochs`), changes by weight decay and momentum are
    undone too.

    Formula: mean_i of the cross-entropies of softmax_k s(z_iv, c_k) with the codes of view u, u in
    {0, 1}, v != u; codes by `jcl.losses.sinkhorn`

    Reading: queues fill from the first step; in the released code, after `queue_epochs`.

    Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster
    Assignments" (https://arxiv.org/abs/2006.09882), Eq. 2 and 6; that prototypes are held in the
    first epoch, and a queue for each view, are from the code released with it.

    Attributes:
        temperature: cosines with prototypes are divided by it in the predictions.
        epsilon: cosines are divided by it in the computation of codes; a smaller value makes codes
            harder. Lower it if the metric `prototypes_used` falls to 1 (collapse).
        prototypes: number of prototypes, K; 3000 in the paper, three for each class of ImageNet.
            With fewer prototypes than dimensions there is a point at which all cosines are equal,
            so embeddings may collapse to it.
        iterations: of Sinkhorn and Knopp's algorithm; a small epsilon needs more for balance.
        hold_epochs: number of epochs at the start in which the prototypes are frozen.
        queue_size: number of older embeddings of each view in the queue, a multiple of the batch; 0
            for no queue; 3840 in the paper at batch 256.
        queue_epochs: number of epochs before the queues are used; 15 in the paper.
    """

    temperature: float = 0.1
    epsilon: float = 0.05
    prototypes: int = 3000
    iterations: int = 3
    hold_epochs: float = 1.0
    queue_size: int = 0
    queue_epochs: float = 15.0

    def __post_init__(self):
        check_positive("method.temperature", self.temperature)
        check_positive("method.epsilon", self.epsilon)
        prototypes_lib.check("method.prototypes", self.prototypes)
        check_count("method.iterations", self.iterations)
        check_count("method.queue_size", self.queue_size or None)
        for key in ("hold_epochs", "queue_epochs"):
            check_not_negative(f"method.{key}", getattr(self, key))

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; the networks, and prototypes and queues as wide as the embeddings."""
        networks_key, prototypes_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        embeddings = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        width = embeddings.shape[-1]
        queue_keys = jax.random.split(jax.random.fold_in(prototypes_key, 1), CODE_VIEWS)
        drawn = prototypes_lib.start(prototypes_key, self.prototypes, width, dtype)
        queues = {
            name: queue_lib.start(queue_key, self.queue_size, width, dtype)
            for name, queue_key in zip(self._queues, queue_keys, strict=False)  # may be none
        }
        return made._replace(params={**made.params, "prototypes": drawn}, method_state=queues)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`; embeddings [B, V, d], raw, of which the first two make codes.

        The metric `prototypes_used` is `effective_codes`: 1 shows a collapse.
        """
        check_several(embeddings)
        queue_lib.check_size("method.queue_size", self.queue_size, len(embeddings))
        prototypes = variables.params["prototypes"]
        held = prototypes_lib.held(prototypes, clock.step, self._held_steps(clock))
        scores = prototypes_lib.scores(embeddings, held)
        queues = [variables.method_state[name]["rows"] for name in self._queues]
        queues = queues or [None] * CODE_VIEWS
        codes = jnp.stack(
            [self._codes(scores[:, v], queues[v], held, clock, mesh) for v in range(CODE_VIEWS)],
            axis=1,
        )
        diagnostics = two_view_diagnostics(embeddings[:, 0], embeddings[:, 1])
        metrics = {**diagnostics, "prototypes_used": effective_codes(codes)}
        loss = swapped_cross_entropy(scores / self.temperature, codes)
        newest = {name: embeddings[:, view] for view, name in enumerate(self._queues)}
        return Outcome(loss, metrics, {"prototypes": prototypes, "newest": newest})

    def after_update(self, variables, carry, clock) -> Variables:
        """Scales prototypes to norm one, or puts the old ones back while they are held.

        The embeddings of the batch replace the oldest rows of the queues.
        """
        is_held = prototypes_lib.is_held(clock.step, self._held_steps(clock))
        moved = prototypes_lib.normalised(variables.params["prototypes"])
        prototypes = jnp.where(is_held, carry["prototypes"], moved)
        queues = {
            name: queue_lib.push(variables.method_state[name], embeddings)
            for name, embeddings in carry["newest"].items()
        }
        return variables._replace(
            params={**variables.params, "prototypes": prototypes}, method_state=queues
        )

    def adopt(self, variables) -> Variables:
        """Scales another run's prototypes to norm one: a moving average has smaller norms."""
        prototypes = prototypes_lib.normalised(variables.params["prototypes"])
        return variables._replace(params={**variables.params, "prototypes": prototypes})

    @property
    def _queues(self) -> tuple[str, ...]:
        return tuple(f"queue{view}" for view in range(CODE_VIEWS)) if self.queue_size else ()

    def _codes(self, scores, queue, prototypes, clock, mesh):
        scores, prototypes = jax.lax.stop_gradient((scores, prototypes))
        balanced = functools.partial(
            sinkhorn, scores, epsilon=self.epsilon, iterations=self.iterations, mesh=mesh
        )
        if queue is None:
            return balanced()

        def with_queue():
            return balanced(queue_scores=prototypes_lib.scores(queue, prototypes))

        waited = clock.step_after("method.queue_epochs", self.queue_epochs)
        first = max(waited, len(queue) // len(scores))  # the queue is full by this step
        return jax.lax.cond(jnp.asarray(clock.step >= first), with_queue, balanced)

    def _held_steps(self, clock) -> int:
        return clock.step_after("method.hold_epochs", self.hold_epochs)


def swapped_cross_entropy(
    logits: Float[Array, "B V K"], codes: Float[Array, "B C K"]
) -> Float[Array, ""]:
    """Mean cross-entropy of every view's prediction against the code of every other view.

    Args:
        logits: of all views, V > 1.
        codes: of the first C views, each a distribution. The mean is over these C codes and, for
            each, over the V - 1 other views.
    """
    log_predictions = jax.nn.log_softmax(logits)
    # The sum over the other views of a code is the sum over all views minus its own view, without
    # an array [B, C, V, K].
    others = log_predictions.sum(1, keepdims=True) - log_predictions[:, : codes.shape[1]]
    return -(codes * others).sum(-1).mean() / (logits.shape[1] - 1)


def effective_codes(codes: Float[Array, "B C K"]) -> Float[Array, ""]:
    """Effective number of codes: exp of the mutual information of codes and examples.

    It is 1 if all codes are equal; after a collapse, Sinkhorn's codes are all uniform. It is K if
    every example has one prototype and every prototype has equally many examples.
    """
    mean = codes.mean((0, 1))
    return jnp.exp(entr(mean).sum() - entr(codes).sum(-1).mean())
