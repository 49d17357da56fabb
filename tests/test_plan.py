"""The plan against the arrays that a step really has."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from jcl.cost.devices import peak
from jcl.cost.roofline import make_roofline
from jcl.data import open_source
from jcl.data.dataset_shape import images_of, shape_of
from jcl.mesh import make_mesh
from jcl.plan import describe, make_plan, model_flops, write_plan
from tests.tiny import tiny_config, tiny_experiment


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(devices=jax.devices()[:2])


BATCH = images_of(8, 8, 3, examples=64).batch(16)


def test_stand_in_batches_look_like_real_ones():
    source = open_source("shapes", "train", train_examples=64)
    assert images_of(32, 32, 3, examples=64, n_classes=8) == shape_of(source)


@pytest.fixture(scope="module")
def config():
    return tiny_config(**{"views.name": "none"})


@pytest.fixture(scope="module")
def plan(config, mesh):
    return make_plan(tiny_experiment(config), mesh, BATCH)


# By hand: two convolutions (4x4 and 2x2 outputs) and two dense layers for each of 32 views;
# backward twice that, but the images need no gradient.
LAYERS = (2 * 16 * 27 * 4, 2 * 4 * 36 * 8, 2 * 8 * 8, 2 * 8 * 8)
NETWORKS = 32 * (3 * sum(LAYERS) - LAYERS[0])
# 32x32 similarities of dimension 8: forward, again in the backward pass, and the gradient.
LOSS = 3 * 2 * 32 * 32 * 8


def test_counts_and_bytes_of_a_step(config, mesh, plan):
    state = tiny_experiment(config).init_state(mesh)
    assert plan.parameters == sum(leaf.size for leaf in jax.tree.leaves(state.params))
    # Every device holds the whole state and its half of the batch.
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    held += sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in BATCH.values()) // 2
    assert plan.argument_bytes == pytest.approx(held, abs=64 * len(jax.tree.leaves(state)))
    assert plan.flops == pytest.approx(NETWORKS + LOSS, rel=1e-3)
    assert plan.model_flops == plan.flops
    assert (plan.devices, plan.views) == (2, 32)
    # The gradient is reduced over two devices, and both gather 32 embeddings at least once.
    parameter_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(state.params))
    assert plan.collective_bytes["all-reduce"] == pytest.approx(parameter_bytes, rel=0.2)
    assert 16 * 8 * 4 <= plan.collective_bytes["all-gather"] < 4 * 16 * 8 * 4
    assert plan.memory_bytes > plan.argument_bytes
    assert plan.bytes_accessed > plan.argument_bytes


def test_mfu_counts_no_recomputation(config, mesh):
    chunks = config.copy_and_resolve_references()
    chunks.microbatches = 4
    plan = make_plan(tiny_experiment(chunks), mesh, BATCH)
    assert plan.flops == pytest.approx(NETWORKS + 32 * sum(LAYERS) + LOSS, rel=1e-3)
    assert plan.model_flops == model_flops(tiny_experiment(config), mesh, BATCH)
    # XLA counts a chunk and leaves three out; with every trip it finds what is there, and more.
    assert plan.xla_flops > plan.flops / 2


def test_what_is_said(plan):
    text = describe(plan)
    assert f"{plan.parameters:,}" in text
    assert "no peaks of cpu" in text
    limits = peak("TPU v5 lite")
    work = {"flops": 1e12, "model_flops": 9e11, "bytes_accessed": 1e11, "bytes_sent": 1e9}
    roofline = make_roofline(limits, **work, views=plan.views)
    known = dataclasses.replace(
        plan, roofline=roofline, limit_bytes=2**34, fits=False, unknown_loops=2
    )
    text = describe(known)
    for part in ("does not fit into 16.0 GiB", "122.1 ms", "MFU 3.7%", "2 of unknown length"):
        assert part in text
    assert "not told" not in text
    untold = dataclasses.replace(plan, xla_flops=None, bytes_accessed=None)
    assert "bytes accessed  not told by XLA\n" in describe(untold)


def test_all_of_it_is_written(tmp_path, config, plan):
    write_plan(tmp_path, plan, config, topology="tpu:v5e:2x4")
    written = json.loads((tmp_path / "plan.json").read_text())
    assert written["plan"] == dataclasses.asdict(plan)
    assert written["config"]["batch_size"] == 16
    assert written["topology"] == "tpu:v5e:2x4"
    assert written["packages"]["jax"] == jax.__version__
