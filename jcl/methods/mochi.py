"""MoCHi: MoCo with mixtures of the hardest negatives (Kalantidis et al. 2020)."""

import dataclasses

import jax

from jcl.config.checks import check_count, check_not_negative
from jcl.errors import UserError
from jcl.losses import mixed_queue_nce, query_queue_nce
from jcl.methods.base import Outcome
from jcl.methods.parts.queued import MomentumQueue


@dataclasses.dataclass(frozen=True)
class MoCHi(MomentumQueue):
    """MoCo v2 with synthetic negatives, harder than the queue's: see `jcl.losses.mixed_queue_nce`.

    Take it if MoCo v2's negatives have become easy. The paper finds about the same linear score on
    ImageNet and better transfer to detection. With `mixed=0` and `mixed_with_query=0` it is MoCo
    v2. The metric `synthetic_negatives` is the number of mixtures per query in the step, 0 before
    `start_epochs`.

    Formula: mean_i [-s(q_i, k_i) + log(exp s(q_i, k_i) + sum_m exp s(q_i, n_m) + sum_{h in H(i)}
    exp s(q_i, h))], H(i) mixtures of the hardest n and of these and q_i, of norm one

    Attributes:
        temperature: cosines are divided by it; 0.2 in the paper.
        decay: of the moving average; 0.999 in the paper.
        hardest: number of nearest keys of the queue from which a query's negatives are mixed, N;
            1024, 512 or 256 in the paper.
        mixed: number of mixtures of two of these keys per query, s; 1024 or 512 in the paper.
        mixed_with_query: number of mixtures of one of these keys with the query, whose share is at
            most half, s'; 128, 512 or 0 in the paper.
        start_epochs: number of epochs without mixtures at the start, which are MoCo v2; 10 of 100
            and 15 of 200 in the paper.

    Source: Kalantidis et al. 2020, "Hard Negative Mixing for Contrastive Learning"
    (https://arxiv.org/abs/2010.01028), section 4.
    """

    hardest: int = 1024
    mixed: int = 1024
    mixed_with_query: int = 128
    start_epochs: float = 10.0

    def __post_init__(self):
        super().__post_init__()
        check_count("method.hardest", self.hardest)
        check_not_negative("method.mixed", self.mixed)
        check_not_negative("method.mixed_with_query", self.mixed_with_query)
        check_not_negative("method.start_epochs", self.start_epochs)
        if self.hardest > self.queue_size:
            raise UserError(
                f"method.hardest={self.hardest} is impossible: it must be at most "
                f"method.queue_size={self.queue_size}, the number of keys in the queue"
            )

    def loss(self, queries, keys, queue, clock, key, mesh):
        """MoCo's loss before `start_epochs`, with mixtures after it; `key` draws the mixtures."""
        options = {"queue": queue, "temperature": self.temperature, "mesh": mesh}

        def with_mixtures(queries, keys):
            return mixed_queue_nce(
                queries,
                keys,
                key,
                hardest=self.hardest,
                mixed=self.mixed,
                mixed_with_query=self.mixed_with_query,
                **options,
            )

        def without(queries, keys):
            return query_queue_nce(queries, keys, **options)

        return jax.lax.cond(self._started(clock), with_mixtures, without, queries, keys)

    def objective(self, variables, embeddings, batch, clock, key, mesh) -> Outcome:
        """See `Method.objective`."""
        outcome = super().objective(variables, embeddings, batch, clock, key, mesh)
        synthetic = self._started(clock) * float(self.mixed + self.mixed_with_query)
        return outcome._replace(metrics={**outcome.metrics, "synthetic_negatives": synthetic})

    def _started(self, clock):
        return clock.step >= clock.step_after("method.start_epochs", self.start_epochs)
