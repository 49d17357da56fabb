"""Sinkhorn's codes against SwAV's pseudocode in float64, and over meshes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jcl.losses import sinkhorn
from tests.losses import one_way_formulas as formulas
from tests.losses.hlo import collectives
from tests.losses.test_two_view_losses import meshes, shard

SCORES = np.random.default_rng(4).uniform(-1, 1, size=(16, 5))
OLDER = np.random.default_rng(5).uniform(-1, 1, size=(7, 5))  # no multiple of any mesh


def rounded(x):
    return np.float64(np.float32(x))


def with_queue(scores, queue, epsilon, iterations):
    """The batch's rows of the codes of all."""
    both = np.concatenate([scores, queue])
    return formulas.sinkhorn(both, epsilon, iterations)[: len(scores)]


@pytest.mark.parametrize("queue", [None, OLDER], ids=["", "queue"])
@pytest.mark.parametrize("layout", [None, "1", "8", "4x2"])
def test_codes(layout, queue):
    mesh = meshes().get(layout)
    scores = jnp.asarray(SCORES, jnp.float32)
    if mesh is not None:
        (scores,) = shard(mesh, scores)
    more = {} if queue is None else {"queue_scores": jnp.asarray(queue, jnp.float32)}
    codes = jax.jit(partial(sinkhorn, mesh=mesh))(scores, epsilon=0.05, **more)
    expected = formulas.sinkhorn(rounded(SCORES), 0.05, 3)
    if queue is not None:
        alone, expected = expected, with_queue(rounded(SCORES), rounded(queue), 0.05, 3)
        assert np.abs(expected - alone).max() > 0.1
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-6)
    if mesh is not None:
        assert codes.sharding.is_equivalent_to(scores.sharding, 2)


@pytest.mark.parametrize("iterations", [1, 2, 40])
def test_float64(iterations):
    with jax.enable_x64(True):
        codes = np.asarray(sinkhorn(jnp.asarray(SCORES), epsilon=0.2, iterations=iterations))
    assert codes.dtype == np.float64
    np.testing.assert_allclose(codes, formulas.sinkhorn(SCORES, 0.2, iterations), rtol=1e-11)
    np.testing.assert_allclose(codes.sum(1), 1, rtol=1e-12)
    if iterations == 40:  # converged: the prototypes share the examples
        np.testing.assert_allclose(codes.sum(0), 16 / 5, rtol=1e-3)
        # Prototypes in another order have the codes in that order.
        order = [3, 0, 4, 1, 2]
        with jax.enable_x64(True):
            other = sinkhorn(jnp.asarray(SCORES[:, order]), epsilon=0.2, iterations=40)
        np.testing.assert_allclose(other, codes[:, order], rtol=1e-12)


def test_a_queue_in_float64_takes_its_share_of_the_prototypes():
    with jax.enable_x64(True):
        given = jnp.asarray(SCORES, jnp.float32), jnp.asarray(OLDER)
        codes = np.asarray(sinkhorn(given[0], epsilon=0.2, iterations=2, queue_scores=given[1]))
    assert codes.dtype == np.float64
    np.testing.assert_allclose(codes, with_queue(rounded(SCORES), OLDER, 0.2, 2), rtol=1e-11)
    np.testing.assert_allclose(codes.sum(1), 1, rtol=1e-12)


def test_hard_and_single_codes():
    # exp(scores / epsilon) would overflow and underflow. Each prototype takes one example.
    scores = jnp.array([[0.9, 0.5, 0.0], [0.8, 0.7, 0.1], [0.9, 0.8, -0.3]])
    codes = jax.jit(partial(sinkhorn, epsilon=1e-3, iterations=4000))(scores)
    np.testing.assert_allclose(codes, np.eye(3)[[0, 2, 1]], atol=1e-3)
    single = jax.jit(partial(sinkhorn, epsilon=0.05))(scores[:, :1])
    assert single.tolist() == [[1]] * 3


def test_codes_are_targets():
    largest = lambda s, q, e: sinkhorn(s, epsilon=e, queue_scores=q).max()  # noqa: E731
    loss, scores = jax.jit(jax.grad(largest, argnums=(0, 1, 2))), jnp.asarray(SCORES, jnp.bfloat16)
    assert not any(np.any(g) for g in loss(scores, jnp.asarray(OLDER, jnp.bfloat16), 0.05))
    assert jax.eval_shape(sinkhorn, jnp.ones((4, 2), jnp.bfloat16), epsilon=1.0).dtype == "float32"


@pytest.mark.parametrize("queue", [0, 6], ids=["", "queue"])
def test_only_sums_over_examples_cross_devices(queue):
    mesh = meshes()["4x2"]
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    scores = jax.ShapeDtypeStruct((4096, 12), jnp.float32, sharding=sharding)
    whole = NamedSharding(mesh, PartitionSpec())
    older = {"queue_scores": jax.ShapeDtypeStruct((queue, 12), jnp.float32, sharding=whole)}
    codes = jax.jit(partial(sinkhorn, epsilon=0.05, mesh=mesh))
    program = codes.lower(scores, **(older if queue else {})).compile()
    # A maximum and a sum: once at first, and once in the loop.
    assert collectives(program.as_text()) == {
        ("all-reduce", "f32", 12): 2,
        ("all-reduce in a loop", "f32", 12): 2,
    }
