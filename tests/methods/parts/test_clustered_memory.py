"""The clustered memory against NumPy float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import batch_sharding, make_mesh
from jcl.methods.parts import clustered_memory
from tests.losses import one_way_formulas as formulas

M, P, WIDTH = 24, 3, 4


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def memory(rows, clusters, prototypes, position=0):
    held = {
        "queue": {"rows": rows, "position": np.int32(position)},
        "clusters": np.asarray(clusters, np.int32),
        "prototypes": prototypes,
    }
    return jax.tree.map(jnp.asarray, held)


def drawn(seed=0):
    random = np.random.default_rng(seed)
    rows, prototypes = (unit(random.normal(size=(n, WIDTH))) for n in (M, P))
    return rows, random.integers(0, P, M), prototypes


def test_it_begins_with_unit_rows():
    made = jax.eval_shape(lambda key: clustered_memory.start(key, M, P, WIDTH), jax.random.key(0))
    shapes = jax.tree.map(lambda x: x.shape, made)
    queue = {"rows": (M, WIDTH), "position": ()}
    assert shapes == {"queue": queue, "clusters": (M,), "prototypes": (P, WIDTH)}


def test_a_batch_is_shared_among_the_prototypes():
    # All like the first prototype best; without balance it would have every row.
    rows, clusters, _ = drawn()
    prototypes = np.eye(P, WIDTH)
    batch = unit(np.array([[1.0, 0.1 * (i % 3 == 1), 0.1 * (i % 3 == 2), 0] for i in range(6)]))
    held = memory(rows, clusters, prototypes)
    assign = functools.partial(clustered_memory.assign, epsilon=0.05, mesh=None)
    found = np.asarray(jax.jit(assign)(held, jnp.asarray(7 * batch)))
    codes = formulas.sinkhorn(batch @ prototypes.T, 0.05, 3)
    np.testing.assert_array_equal(found, codes.argmax(1))
    assert np.bincount(found).tolist() == [2, 2, 2]


def test_prototypes_are_the_mean_directions_of_their_clusters():
    rows, clusters, prototypes = drawn()
    clusters = np.where(clusters == 2, 1, clusters)  # the last has no rows, and stays
    new, of_new = np.random.default_rng(1).normal(size=(8, WIDTH)), np.arange(8) % 2
    held = memory(rows, clusters, prototypes, position=16)
    found = jax.jit(clustered_memory.push)(held, jnp.asarray(new), jnp.asarray(of_new, jnp.int32))
    rows, clusters = np.concatenate([rows[:16], unit(new)]), np.concatenate([clusters[:16], of_new])
    means = [unit(rows[clusters == p].mean(0)) for p in (0, 1)]
    np.testing.assert_allclose(found["queue"]["rows"], rows, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["clusters"], clusters)
    np.testing.assert_allclose(found["prototypes"], [*means, prototypes[2]], rtol=1e-5, atol=1e-6)
    assert found["queue"]["position"] == 0


def test_k_means_ends_where_every_row_is_nearest_to_the_mean_of_its_cluster():
    rows, clusters, prototypes = drawn()
    cluster = jax.jit(clustered_memory.cluster)
    with jax.enable_x64(True):
        found = cluster(memory(rows, clusters, prototypes), jax.random.key(3))
        again = cluster(memory(rows, clusters[::-1].copy(), prototypes + 1), jax.random.key(3))
        other = cluster(memory(rows, clusters, prototypes), jax.random.key(4))
    seen = np.asarray(found["clusters"])
    assert set(seen.tolist()) == {0, 1, 2}
    for p in range(P):
        mean = unit(rows[seen == p].mean(0))
        np.testing.assert_allclose(found["prototypes"][p], mean, rtol=1e-10)
    np.testing.assert_array_equal(seen, (rows @ np.asarray(found["prototypes"]).T).argmax(1))
    # A function of rows and key alone.
    np.testing.assert_array_equal(again["prototypes"], found["prototypes"])
    assert (np.asarray(other["clusters"]) != seen).any()


@pytest.mark.parametrize("sizes", [None, (4, 2)], ids=["alone", "4x2"])
def test_neighbours_are_of_the_nearest_cluster_unless_it_is_too_small(sizes):
    rows, _, prototypes = drawn()
    clusters = np.array([0] * 12 + [1] * 10 + [2] * 2)  # the last has no more than two rows
    batch = np.random.default_rng(2).normal(size=(16, WIDTH)) * np.geomspace(0.1, 10, 16)[:, None]
    mesh = None if sizes is None else make_mesh(*sizes)
    given = jnp.asarray(batch)
    given = given if mesh is None else jax.device_put(given, batch_sharding(mesh))
    find = functools.partial(clustered_memory.neighbours, count=2, mesh=mesh)
    found = jax.jit(find)(memory(rows, clusters, prototypes), given)
    chosen = set()
    for row, near in zip(unit(batch), np.asarray(found), strict=True):
        mine = np.argmax(prototypes @ row)
        inside = np.flatnonzero(clusters == mine) if mine < 2 else np.arange(M)
        order = inside[np.argsort(-(rows[inside] @ row))][:2]
        np.testing.assert_allclose(near, rows[order], rtol=1e-6, atol=1e-6)
        chosen.add(int(mine))
    assert chosen == {0, 1, 2}
