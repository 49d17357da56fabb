"""MoCHi's loss against every mixture by itself, in float64, with the same draws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.losses import mixed_queue_nce, query_queue_nce
from tests.losses.exactness import Case, assert_exact, log_sum_exp, unit

BATCH, QUEUE, DIMENSIONS = 8, 16, 4
HARDEST, MIXED, WITH_QUERY = 5, 7, 4
COUNTS = {"hardest": HARDEST, "mixed": MIXED, "mixed_with_query": WITH_QUERY}
KEY = jax.random.key(5)


@functools.cache
def draws():
    """For each query, as the loss draws them: two rows and a share a; a row and a share b."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(KEY, jnp.arange(BATCH))
    count = 3 * MIXED + 2 * WITH_QUERY
    words = np.asarray(jax.vmap(lambda key: jax.random.bits(key, (count,), jnp.uint32))(keys))
    of_two = words[:, : 3 * MIXED].reshape(BATCH, 3, MIXED)
    of_query = words[:, 3 * MIXED :].reshape(BATCH, 2, WITH_QUERY)
    share_a, share_b = (np.floor(x[:, -1] / 2**8) / 2**24 for x in (of_two, of_query))
    rows = *np.moveaxis(of_two[:, :2] % HARDEST, 1, 0), of_query[:, 0] % HARDEST
    return *rows, share_a, share_b / 2


def mixtures(queries, queue):
    """Of unit rows, for every query; none of them moves with the query."""
    first, second, other, a, b = draws()
    found = []
    for i, q in enumerate(queries.real):
        near = queue.real[np.argsort(-(queue.real @ q), kind="stable")[:HARDEST]]
        shares_a, shares_b = a[i, :, None], b[i, :, None]
        of_two = shares_a * near[first[i]] + (1 - shares_a) * near[second[i]]
        of_query = shares_b * q + (1 - shares_b) * near[other[i]]
        found.append(unit(np.concatenate([of_two, of_query])))
    return np.array(found)


def formula(queries, keys, queue, temperature):
    q, k, n = unit(queries), unit(keys).real, unit(queue).real
    columns = [(q * k).sum(1, keepdims=True), q @ n.T]
    columns.append(np.einsum("id,ihd->ih", q, mixtures(q, n)))
    logits = np.concatenate(columns, axis=1) / temperature
    return (log_sum_exp(logits) - logits[:, 0]).mean()


def arrays():
    random = np.random.default_rng(3)
    sizes = (BATCH, BATCH, QUEUE)
    return [np.float64(np.float32(random.normal(size=(n, DIMENSIONS)))) for n in sizes]


def cases():
    queries, keys, queue = arrays()
    zeros = queries.copy()
    zeros[4] = keys[6] = queue[2] = 0
    # All rows of a zero query are as near: the lowest come first, as in the formula.
    made = ((queries, keys, queue, t) for t in (0.05, 0.2))
    return [Case(x, x[-1]) for x in (*made, (zeros, keys, queue, 0.2))]


@pytest.mark.parametrize("layout", ["one device, float32", "4x2"])
def test_exact_on_any_mesh_and_in_blocks(layout):
    def loss(queries, keys, queue, temperature, **options):
        scalars = {"temperature": temperature, **COUNTS}
        return mixed_queue_nce(queries, keys, KEY, queue=queue, **scalars, **options)

    # The mixtures of a query, or all inputs: nothing of all queries' mixtures exists at a time.
    largest = max((MIXED + WITH_QUERY) * DIMENSIONS * 2, QUEUE * DIMENSIONS)
    assert_exact(loss, formula, cases(), layout, block_size=1, largest=largest)


def test_draws_are_a_query_s_own_and_within_their_range():
    *rows_of_kinds, a, b = draws()
    for rows in rows_of_kinds:
        assert set(rows.ravel()) == set(range(HARDEST))
    assert len(np.unique(np.concatenate([a.ravel(), b.ravel()]))) == BATCH * (MIXED + WITH_QUERY)
    assert 0 <= a.min() < 0.1 < 0.9 < a.max() < 1
    assert 0 <= b.min() < 0.05 < 0.45 < b.max() < 0.5


def value_and_gradient(loss, queries):
    return jax.jit(jax.value_and_grad(loss))(jnp.float32(queries))


def test_without_mixtures_it_is_moco_s():
    queries, keys, queue = map(jnp.float32, arrays())
    options = {"temperature": 0.1, "queue": queue}
    none = {"hardest": HARDEST, "mixed": 0, "mixed_with_query": 0}
    mixed = value_and_gradient(lambda q: mixed_queue_nce(q, keys, KEY, **options, **none), queries)
    moco = value_and_gradient(lambda q: query_queue_nce(q, keys, **options), queries)
    np.testing.assert_array_equal(mixed[0], moco[0])
    np.testing.assert_array_equal(mixed[1], moco[1])


def test_mixtures_of_a_queue_of_equal_keys_are_that_key():
    queries, keys, queue = arrays()
    q, k, n = map(unit, (queries, keys, queue[:1]))
    own, other = (q * k).sum(1) / 0.2, (q @ n[0]) / 0.2
    options = {"temperature": 0.2, "queue": jnp.float32(np.repeat(queue[:1], QUEUE, axis=0))}
    pairs = {"hardest": 9, "mixed": 11, "mixed_with_query": 0}
    loss, _ = value_and_gradient(
        lambda q: mixed_queue_nce(q, jnp.float32(keys), KEY, **options, **pairs), queries
    )
    expected = np.log(1 + (QUEUE + 11) * np.exp(other - own)).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
