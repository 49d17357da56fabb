"""The plan against the arrays that a step really has."""

import jax
import numpy as np
import pytest

from jcl.mesh import make_mesh
from jcl.plan import batch_shapes, describe, make_plan, stand_in_batch
from tests.tiny import tiny_config, tiny_experiment, tiny_source


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(devices=jax.devices()[:2])


def test_stand_in_batches_look_like_real_ones():
    assert stand_in_batch(8, 16) == batch_shapes(tiny_source(), 16)


def test_counts_and_bytes_of_a_step(mesh):
    experiment = tiny_experiment(tiny_config(**{"views.name": "none"}))
    batch = stand_in_batch(8, 16)
    plan = make_plan(experiment, mesh, batch)
    state = experiment.init_state(mesh)
    assert plan.parameters == sum(leaf.size for leaf in jax.tree.leaves(state.params))
    # Every device holds the whole state and its half of the batch.
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    held += sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in batch.values()) // 2
    assert plan.argument_bytes == pytest.approx(held, abs=64 * len(jax.tree.leaves(state)))
    # By hand: two convolutions (4x4 and 2x2 outputs) and two dense layers for each of 32 views;
    # backward twice that, but the images need no gradient.
    layers = (2 * 16 * 27 * 4, 2 * 4 * 36 * 8, 2 * 8 * 8, 2 * 8 * 8)
    networks = 32 * (3 * sum(layers) - layers[0])
    # 32x32 similarities of dimension 8: forward, again in the backward pass, and the gradient.
    loss = 3 * 2 * 32 * 32 * 8
    assert plan.flops == pytest.approx(networks + loss, rel=1e-3)
    text = describe(plan, mesh)
    assert f"{plan.parameters:,}" in text
    assert "GiB" in text
