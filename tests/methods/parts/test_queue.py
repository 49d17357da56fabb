"""The queue of keys against a list of all that was pushed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jcl.errors import UserError
from jcl.mesh import batch_sharding, make_mesh
from jcl.methods.parts import queue


def batches(count, dtype=np.float32):
    return np.random.RandomState(0).normal(size=(count, 8, 4)).astype(dtype)


def unit(x):
    x = np.asarray(x, np.float64)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.mark.parametrize("sizes", [None, (8, 1), (4, 2)], ids=["alone", "8", "4x2 split"])
def test_it_holds_the_last_keys_in_the_order_of_the_global_batch(sizes):
    rows = jnp.asarray(unit(np.random.RandomState(1).normal(size=(24, 4))), jnp.float32)
    held = {"rows": rows, "position": jnp.int32(0)}
    push, place = jax.jit(queue.push), jnp.asarray
    if sizes:
        mesh = make_mesh(*sizes)
        lie = {"rows": NamedSharding(mesh, P("fsdp")), "position": NamedSharding(mesh, P())}
        held = jax.device_put(held, lie)
        push = jax.jit(queue.push, out_shardings=lie)
        place = functools.partial(jax.device_put, device=batch_sharding(mesh))
    first, pushed = np.asarray(held["rows"]), unit(batches(4))
    for count, keys in enumerate(batches(4), start=1):
        held = push(held, place(keys))
        newest = pushed[:count][-3:]  # 24 rows hold three batches; the fourth replaces the first
        expected = np.concatenate([*newest, first[8 * len(newest) :]])
        expected = np.roll(expected, 8 * (count - len(newest)), axis=0)
        np.testing.assert_allclose(held["rows"], expected, rtol=1e-6, atol=1e-7)
        assert held["position"] == 8 * count % 24


def test_it_begins_with_random_directions_and_keeps_their_precision():
    with jax.enable_x64(True):
        start = jax.jit(queue.start, static_argnums=(1, 2, 3))
        first = start(jax.random.key(0), 4000, 3, jnp.float64)
        rows = np.asarray(first["rows"])
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=0, atol=1e-15)
        # Of even directions each mean product is 1/3 or 0, with a deviation of 0.005 at most.
        np.testing.assert_allclose(rows.T @ rows / 4000, np.eye(3) / 3, atol=0.02)
        keys = batches(1, np.float64)[0][:, :3]
        rows = jax.jit(queue.push)(first, jnp.asarray(keys))["rows"]
        np.testing.assert_allclose(rows[:8], unit(keys), rtol=0, atol=1e-15)


def test_a_size_that_is_no_multiple_of_the_batch_is_an_error():
    held = {"rows": jnp.ones((20, 4)), "position": jnp.int32(0)}
    with pytest.raises(UserError, match=r"^a queue of 20 keys .* the batch of 8: its size must be"):
        queue.push(held, jnp.ones((8, 4)))
