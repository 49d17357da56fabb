"""MoCHi: when it mixes, and what from. Its loss has tests of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.mochi import MoCHi
from tests.losses import test_mixed_queue_nce as mixed
from tests.methods.parts.test_momentum import Factor

KEY = mixed.KEY


def method(**options):
    defaults = {"queue_size": mixed.QUEUE, **mixed.COUNTS, "start_epochs": 1.5, "temperature": 0.2}
    return MoCHi(encoder=Factor(), projector=Factor(), **{**defaults, **options})


def outcome(step, **options):
    q, k, queue = map(jnp.float32, mixed.arrays())
    variables = Variables({}, {}, {"queue": {"rows": queue, "position": jnp.int32(0)}})

    @jax.jit
    def objective(step):
        embeddings, clock = {"query": q, "key": k}, Clock(step, 4, 40)
        return method(**options).objective(variables, embeddings, {}, clock, KEY, None)

    return objective(step)


def test_it_mixes_from_the_start_on_and_is_moco_before():
    queries, keys, queue = mixed.arrays()
    q, k, n = map(mixed.unit, (queries, keys, queue))
    logits = np.concatenate([(q * k).sum(1, keepdims=True), q @ n.T], axis=1) / 0.2
    moco = (mixed.log_sum_exp(logits) - logits[:, 0]).mean()
    with_mixtures = mixed.formula(queries, keys, queue, 0.2)
    assert with_mixtures > moco + 0.1
    # One epoch and a half are six steps.
    for step, expected, count in ((0, moco, 0), (5, moco, 0), (6, with_mixtures, 11)):
        found = outcome(jnp.int32(step))
        np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
        assert found.metrics["synthetic_negatives"] == count


def test_impossible_options_are_refused():
    for options, message in (
        (
            {"hardest": mixed.QUEUE + 1},
            "hardest=17 is impossible: it must be at most method.queue",
        ),
        ({"hardest": 0}, "hardest=0 is impossible"),
        ({"mixed": -1}, "mixed=-1 is impossible"),
        ({"mixed_with_query": -1}, "mixed_with_query=-1 is impossible"),
        ({"start_epochs": -0.5}, "start_epochs=-0.5 is impossible"),
    ):
        with pytest.raises(UserError, match=rf"^method\.{message}"):
            method(**options)
