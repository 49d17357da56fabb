"""The base of methods that contrast queries with momentum keys and a queue of older keys.

The queue is `method_state["queue"]` (`jcl.methods.parts.queue`).
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

from jcl.config.checks import check_count
from jcl.errors import UserError
from jcl.methods.base import Embedded, Outcome, Variables
from jcl.methods.clock import Clock
from jcl.methods.parts import queue as queue_lib
from jcl.methods.parts.chain import embed_chain, views_of_inputs
from jcl.methods.parts.diagnostics import two_view_diagnostics
from jcl.methods.parts.momentum import MOMENTUM, Momentum, embed_copies
from jcl.methods.parts.two_view import CosineContrast
from jcl.warn_once import warn_once

PyTree = Any


@dataclasses.dataclass(frozen=True)
class MomentumQueue(Momentum, CosineContrast):
    """View 0 passes through the networks, view 1 through momentum copies; a queue has older keys.

    A subclass gives the loss. The embeddings are {"query": [B, d], "key": [B, d]}, both raw. A
    step costs a forward and a backward pass of one view and a forward pass of the other. This is
    half of the cost of methods that pass both views through both. BatchNorm's statistics are those
    of the global batch, separately for queries and for keys. He et al. instead shuffle keys over
    devices, so that the statistics of a device do not reveal its keys.

    Keys stay in the queue for `queue_size / batch_size` steps. This should be far less than
    `1 / (1 - decay)`, the number of steps in which the copies change: 256 and 1,000 in the paper.
    Otherwise queries may recognise their own key by its age, independent of the images.

    Attributes:
        queue_size: number of newest keys that are negatives, a multiple of the batch. It should be
            far smaller than the number of training examples; otherwise most queries find their own
            example among the negatives.
    """

    temperature: float = 0.2
    decay: float = 0.999
    queue_size: int = 65536

    def __post_init__(self):
        super().__post_init__()
        check_count("method.queue_size", self.queue_size)

    def init(self, key, views, data) -> Variables:
        """See `Method.init`; networks, their copies, and a queue as wide as the embeddings."""
        networks_key, queue_key = jax.random.split(key)
        made = super().init(networks_key, views, data)
        embeddings = jax.eval_shape(lambda: self.embed(made, views, None)).embeddings
        dtype = jnp.promote_types(jax.tree.leaves(views)[0].dtype, jnp.float32)
        width = embeddings["key"].shape[-1]
        queue = queue_lib.start(queue_key, self.queue_size, width, dtype)
        return made._replace(method_state={**made.method_state, "queue": queue})

    def embed(self, variables, views, keys) -> Embedded:
        """See `Method.embed`; view 0 passes through the networks, view 1 through the copies."""
        params, model_state, _ = variables
        first, second = _views_apart(views_of_inputs(views))
        found, statistics = embed_chain(self.networks, params, model_state, first, keys)
        copied = {name: self.networks[name] for name in variables.method_state[MOMENTUM]}
        of_copies, statistics_of_copies = embed_copies(copied, variables, second, keys)
        return Embedded(
            {"query": found["projector"][:, 0], "key": of_copies["projector"][:, 0]},
            {},
            {**model_state, **statistics, MOMENTUM: statistics_of_copies},
        )

    @abc.abstractmethod
    def loss(
        self,
        queries: Float[Array, "B d"],
        keys: Float[Array, "B d"],
        queue: Float[Array, "K d"],
        clock: Clock,
        key: PRNGKeyArray,
        mesh: Mesh | None,
    ) -> Float[Array, ""]:
        """The loss of raw queries and keys, and of a queue that does not hold these keys yet."""

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`.

        Raises:
            UserError: the queue's size is not a multiple of the batch.
        """
        q, k = embeddings["query"], embeddings["key"]
        queue_lib.check_size("method.queue_size", self.queue_size, len(k))
        if self.queue_size >= (of_an_epoch := clock.steps_per_epoch * len(k)):
            warn_once(
                f"method.queue_size={self.queue_size} keys are not fewer than the {of_an_epoch} "
                "training examples of an epoch: every query finds its own example among the "
                "negatives. Take far fewer."
            )
        loss = self.loss(q, k, variables.method_state["queue"]["rows"], clock, key, mesh)
        return Outcome(loss, two_view_diagnostics(q, k), {"keys": k})

    def after_update(self, variables, carry, clock) -> Variables:
        """Moves the copies, and replaces the oldest keys in the queue by the batch's keys."""
        variables = super().after_update(variables, carry, clock)
        queue = queue_lib.push(variables.method_state["queue"], carry["keys"])
        return variables._replace(method_state={**variables.method_state, "queue": queue})


def _views_apart(views: Mapping[str, PyTree]) -> tuple[dict[str, PyTree], dict[str, PyTree]]:
    """View 0 and view 1, each as views of its own.

    Raises:
        UserError: there are not exactly two views of one kind, which indexing would not detect.
    """
    counts = {kind: jax.tree.leaves(tree)[0].shape[1] for kind, tree in views.items()}
    if list(counts.values()) != [2]:
        made = " and ".join(f"{count} of {kind!r}" for kind, count in counts.items())
        raise UserError(
            "the method takes two views of an example, one for the query and one for the key, but "
            f"the recipe of views (views.name) makes {made}"
        )
    return tuple(jax.tree.map(lambda x, v=v: x[:, v : v + 1], dict(views)) for v in range(2))
