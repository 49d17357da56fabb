"""The table of examples against one in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import make_mesh
from jcl.methods.parts import table
from jcl.training.checkpoint import Checkpoints
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment


def test_visits_against_numpy():
    held = table.start(7, {"a": jnp.float32(-jnp.inf), "b": jnp.array([1, 2], jnp.int32)})
    expected = {"a": np.full(7, -np.inf, np.float32), "b": np.array([[1, 2]] * 7, np.int32)}
    random = np.random.RandomState(0)
    write = jax.jit(table.write)
    for _ in range(3):
        index = jnp.asarray(random.permutation(7)[:3])
        rows = {"a": random.normal(size=3), "b": random.randint(9, size=(3, 2))}
        assert_same_bits(table.read(held, index), {k: x[index] for k, x in expected.items()})
        held = write(held, index, jax.tree.map(jnp.asarray, rows))
        for name, values in rows.items():
            expected[name][index] = values
    assert_same_bits(held, expected)
    assert (held["a"].dtype, held["b"].dtype) == (jnp.float32, jnp.int32)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(8, 1), (4, 2)])
def test_a_checkpoint_brings_it_to_another_mesh(sizes, tmp_path):
    experiment = tiny_experiment(
        tiny_config(**{"method.name": "sogclr", "fsdp_min_size": 1, "encoder.name": "mlp"})
    )
    state = experiment.init_state(one_device())
    index = jnp.arange(0, 64, 3)
    rows = {"log_estimates": jnp.sin(index)}
    state = state.replace(method_state=table.write(state.method_state, index, rows))
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(state, 0)
    restored = checkpoints.restore_newest(experiment.state_shapes(make_mesh(*sizes)))
    checkpoints.close()
    assert_same_bits(restored.method_state, state.method_state)
    held = restored.method_state["log_estimates"]
    assert len(held.sharding.device_set) == 8
    assert held.addressable_shards[0].data.shape == (64 // sizes[1],)
    np.testing.assert_array_equal(np.isneginf(held), np.arange(64) % 3 != 0)
