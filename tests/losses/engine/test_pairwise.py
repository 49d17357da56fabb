"""What the objectives to come need from the engine, with and without a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from jcl.errors import UserError
from jcl.losses.engine.pairwise import distances, inner_products, map_rows


@pytest.fixture(params=["one device", "4x2"])
def mesh(request):
    if request.param == "one device":
        return None
    return jax.make_mesh((4, 2), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(3).normal(size=(16, 4)), jnp.float32)


@pytest.mark.parametrize("block_size", [None, 1, 2, 3, 100])
def test_index_is_the_position_in_the_global_batch(mesh, x, block_size):
    def position_and_row(index, row, columns, replicated):
        return {"index": index, "same": columns[index], "row": row}

    out = map_rows(position_and_row, x, x, None, mesh=mesh, block_size=block_size)
    np.testing.assert_array_equal(out["index"], np.arange(16))
    np.testing.assert_array_equal(out["same"], x)
    np.testing.assert_array_equal(out["row"], x)


def test_a_pytree_for_every_row_with_gradients(mesh, x):
    # A logarithm of a mean to be averaged over rows later, a vector, and a number of keys.
    def reductions(index, row, columns, replicated):
        similarity = inner_products(row, columns)
        near = jnp.sum(similarity > 0)
        return {
            "log_mean": jax.nn.logmeanexp(similarity),
            "sum": jax.nn.relu(similarity) @ columns,
        }, near

    def loss(x):
        out, near = map_rows(reductions, x, x, None, mesh=mesh, block_size=3)
        return jax.nn.logmeanexp(out["log_mean"]) + jnp.sum(out["sum"] ** 2), near

    def plain(x):
        similarity = x @ x.T
        sums = jax.nn.relu(similarity) @ x
        return jax.nn.logmeanexp(similarity) + jnp.sum(sums**2), jnp.sum(similarity > 0, axis=1)

    out, expected = (jax.jit(jax.value_and_grad(f, has_aux=True))(x) for f in (loss, plain))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4), out, expected)


def test_trees_that_differ_and_replicated_columns(mesh, x):
    # Supervised, with labels on both sides, log-weights on the columns and a queue of negatives.
    labels = jnp.arange(16) % 3
    log_weight = jnp.linspace(-1.0, 1.0, 16)
    queue = jnp.asarray(np.random.default_rng(4).normal(size=(5, 4)), jnp.float32)

    def loss(z, log_weight, queue):
        def row_loss(index, row, columns, queue):
            logits = inner_products(row["z"], columns["z"]) + columns["log_weight"]
            logits = jnp.where(columns["label"] == row["label"], logits, -jnp.inf)
            return jax.nn.logsumexp(jnp.concatenate([logits, inner_products(row["z"], queue)]))

        columns = {"z": z, "label": labels, "log_weight": log_weight}
        rows = {"z": z, "label": labels}
        return jnp.sum(map_rows(row_loss, rows, columns, queue, mesh=mesh, block_size=2))

    def plain(z, log_weight, queue):
        logits = jnp.where(labels[:, None] == labels, z @ z.T + log_weight, -jnp.inf)
        return jnp.sum(jax.nn.logsumexp(jnp.concatenate([logits, z @ queue.T], axis=1), axis=1))

    out = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(x, log_weight, queue)
    expected = jax.jit(jax.value_and_grad(plain, (0, 1, 2)))(x, log_weight, queue)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), out, expected)


def test_columns_under_stop_gradient(mesh, x):
    def loss(rows, keys):
        def row_loss(index, row, columns, replicated):
            return jax.nn.logsumexp(inner_products(row, jax.lax.stop_gradient(columns)))

        return jnp.sum(map_rows(row_loss, rows, keys, None, mesh=mesh, block_size=2))

    by_rows, by_keys = jax.jit(jax.grad(loss, (0, 1)))(x, x)
    np.testing.assert_allclose(by_rows, jax.nn.softmax(x @ x.T) @ x, rtol=1e-5, atol=1e-5)
    assert not np.any(by_keys)


def test_another_similarity_and_a_ranking(mesh, x):
    # As in Rank-N-Contrast: negative distance, and sums over all columns at least as far.
    target = jnp.linspace(0.0, 1.0, 16) ** 2

    def row_loss(index, row, columns, replicated):
        squared = jnp.sum(jnp.square(row["z"] - columns["z"]), axis=-1)
        logits = -jnp.sqrt(jnp.where(jnp.arange(16) == index, 1, squared))
        distance = jnp.abs(row["target"] - columns["target"])
        order = jnp.argsort(-distance)
        return jnp.mean(jax.lax.cumlogsumexp(logits[order]) - logits[order])

    def plain(z):
        squared = jnp.sum(jnp.square(z[:, None] - z), axis=-1)
        logits = -jnp.sqrt(jnp.where(jnp.eye(16, dtype=bool), 1, squared))
        distance = jnp.abs(target[:, None] - target)
        farther = distance[:, None, :] >= distance[:, :, None]  # anchor, key, column
        in_sum = jnp.where(farther, logits[:, None, :], -jnp.inf)
        return jnp.sum(jnp.mean(jax.nn.logsumexp(in_sum, axis=2) - logits, axis=1))

    def loss(z):
        rows = {"z": z, "target": target}
        return jnp.sum(map_rows(row_loss, rows, rows, None, mesh=mesh, block_size=2))

    out, expected = jax.jit(jax.value_and_grad(loss))(x), jax.jit(jax.value_and_grad(plain))(x)
    np.testing.assert_allclose(out[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(out[1], expected[1], rtol=1e-4, atol=1e-5)


def test_distances_of_near_and_of_equal_rows(x):
    # Far from the origin, where inner products have lost what sets the rows apart.
    near = x[0] + jnp.array([0, 2**-10, 2**-20, 1e-25])[:, None]
    columns = jnp.concatenate([near, x]) + 64
    row = columns[0]

    def nearest(row, columns):
        return jnp.sum(jnp.sqrt(jnp.arange(1.0, 21)) * distances(row, columns))

    value, gradients = jax.jit(jax.value_and_grad(nearest, (0, 1)))(row, columns)
    difference = np.float64(row) - np.float64(columns)
    expected = np.linalg.norm(difference, axis=1)
    weight = np.sqrt(np.arange(1, 21))
    unit = difference / np.where(expected == 0, 1, expected)[:, None]
    assert np.sum(expected == 0) > 2
    np.testing.assert_allclose(value, np.sum(weight * expected), rtol=1e-6)
    np.testing.assert_allclose(gradients[0], weight @ unit, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradients[1], -weight[:, None] * unit, rtol=1e-5, atol=1e-6)
    # Their squares would not be normal numbers.
    tiny = jax.jit(jax.grad(nearest))(1e-25 * x[0], jnp.zeros_like(columns))
    assert np.all(tiny == 0)
    assert np.isnan(distances(row.at[1].set(jnp.nan), columns)).all()


def test_a_loop_inside_the_row_function(mesh, x):
    def moments(index, row, columns, scale):
        def add(power, total):
            return total + jnp.sum(scale * inner_products(row, columns)) ** power

        return jax.lax.fori_loop(1, 3, add, jnp.float32(0))

    def loss(x, scale):
        return jnp.sum(map_rows(moments, x, x, scale, mesh=mesh, block_size=2))

    out = jax.jit(jax.value_and_grad(loss, 1))(x, jnp.float32(0.5))
    sums = np.sum(np.asarray(x, np.float64) @ np.asarray(x, np.float64).T, axis=1)
    np.testing.assert_allclose(out[0], np.sum(0.5 * sums + 0.25 * sums**2), rtol=1e-5)
    np.testing.assert_allclose(out[1], np.sum(sums + sums**2), rtol=1e-5)


def test_gradients_of_narrow_floats_are_summed_in_float32(mesh):
    # Sums in bfloat16 would stop growing at about 256 terms.
    random = np.random.default_rng(5)
    rows, columns, scale = (
        jnp.asarray(random.uniform(0.5, 1, shape), jnp.bfloat16)
        for shape in ((1024, 4), (8, 4), ())
    )

    def loss(rows, columns, scale):
        def row_sum(index, row, columns, scale):
            assert {x.dtype for x in (row, columns, scale)} == {jnp.dtype(jnp.float32)}
            return scale * jnp.sum(inner_products(row, columns))

        return jnp.sum(map_rows(row_sum, rows, columns, scale, mesh=mesh, block_size=16))

    value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(rows, columns, scale)
    r, c, s = (np.float64(x) for x in (rows, columns, scale))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, s * np.sum(r @ c.T), rtol=1e-5)
    expected = np.tile(s * c.sum(0), (1024, 1)), np.tile(s * r.sum(0), (8, 1)), np.sum(r @ c.T)
    for g, e in zip(gradients, expected, strict=True):
        assert g.dtype == jnp.bfloat16
        np.testing.assert_allclose(np.float64(g), e, rtol=2**-8)


def test_all_else_keeps_its_dtype(mesh):
    with jax.enable_x64(True):
        tree = {
            str(dtype): jnp.arange(8).astype(dtype)
            for dtype in ("int8", "uint32", "bool", "float32", "float64")
        }
        tree["key"] = jax.random.split(jax.random.key(0), 8)

        def own(index, row, columns, half):
            row["key"], columns["key"] = (jax.random.key_data(t["key"]) for t in (row, columns))
            return row, jax.tree.map(lambda x: x[index], columns), row["float64"] * half

        row, column, halved = map_rows(own, tree, tree, 0.5, mesh=mesh, block_size=None)
        tree["key"] = jax.random.key_data(tree["key"])
        jax.tree.map(np.testing.assert_array_equal, row, tree)
        jax.tree.map(np.testing.assert_array_equal, column, tree)
        assert jax.tree.map(lambda x: x.dtype, row) == jax.tree.map(lambda x: x.dtype, tree)
        np.testing.assert_array_equal(halved, np.arange(8) / 2)


def test_any_number_of_rows_and_columns_on_one_device(x):
    def row_max(index, row, columns, replicated):
        return jnp.max(inner_products(row, columns))

    out = map_rows(row_max, x[:7], x[:11], None, mesh=None, block_size=3)
    np.testing.assert_allclose(out, np.max(x[:7] @ x[:11].T, axis=1), rtol=1e-5)


def test_uneven_rows_on_a_mesh_are_an_error(x):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    with pytest.raises(UserError, match=r"^A batch of 12 does not divide by the 8 devices"):
        map_rows(lambda *_: jnp.zeros(()), x, x[:12], None, mesh=mesh, block_size=None)
