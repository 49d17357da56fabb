"""What the mesh's fsdp axis splits, and that a compiled step holds no more than that.

That the curve stays the same is in test_parity.py, whose meshes split every array they can.
"""

import math

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from jcl.mesh import make_mesh
from jcl.training.fsdp import describe_split, split_largest_axis
from jcl.training.state import TrainState, state_sharding
from jcl.training.step import compile_train_step
from tests.tiny import tiny_config, tiny_experiment, train


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), P()),
        ((8,), P("fsdp")),
        ((7,), P()),
        ((3, 3, 64, 128), P(None, None, None, "fsdp")),
        ((3, 3, 128, 64), P(None, None, "fsdp")),
        ((64, 64), P(None, "fsdp")),  # equally large: the last
        ((4, 126), P("fsdp")),  # the largest does not divide
        ((0, 3), P()),
    ],
    ids=str,
)
def test_the_largest_divisible_axis_is_split(shape, expected):
    assert split_largest_axis(shape, make_mesh(2, 4), min_size=1).spec == expected


def test_small_arrays_and_an_axis_of_one_device_split_nothing():
    assert split_largest_axis((64, 64), make_mesh(2, 4), min_size=4096).spec == P(None, "fsdp")
    assert split_largest_axis((64, 64), make_mesh(2, 4), min_size=4097).spec == P()
    assert split_largest_axis((64, 64), make_mesh(8, 1), min_size=1).spec == P()


def test_rows_that_a_method_splits_lie_on_all_devices_with_what_the_optimizer_keeps_of_them():
    rows, even = (jax.ShapeDtypeStruct((n, 3), np.float32) for n in (10, 16))
    params = {"classes": even, "classes_of_old": even, "encoder": {"classes": rows}}
    state = TrainState(even, params, {}, {"classes": even}, [{"mu": params}], params)
    found = state_sharding(state, make_mesh(2, 4), fsdp_min_size=10**6, split=("classes",))
    split = P(("data", "fsdp"))
    for tree in (found.params, found.opt_state[0]["mu"], found.ema_params):
        assert tree["classes"].spec == split
        assert tree["classes_of_old"].spec == P()
        assert tree["encoder"]["classes"].spec == P()  # 10 rows do not divide by 8 devices


def test_a_step_holds_a_share_of_a_realistic_model_and_its_optimizer():
    config = tiny_config(
        **{
            "encoder.name": "resnet18",
            "encoder.widths": None,
            "encoder.stem": "cifar",
            "projector.hidden_dim": 512,
            "projector.output_dim": 128,
            "mesh.fsdp": 8,
        }
    )
    mesh = make_mesh(1, 8)
    state = tiny_experiment(config).state_shapes(mesh)
    step = compile_train_step(state, mesh=mesh, **tiny_experiment(config).step_options())
    batch = tiny_experiment(config).data.batch(config.batch_size)
    compiled = step.lower(state, batch).compile()

    whole = bytes_of(state.params) + bytes_of(state.opt_state)
    others = bytes_of(state.model_state) + bytes_of(batch) / 8 + 4
    held = compiled.memory_analysis().argument_size_in_bytes - others
    # Of `whole`, a share s is split over 8 and the rest is not: held = whole (1 - 7/8 s).
    share = (1 - held / whole) * 8 / 7
    assert 0.9 < share <= 1
    assert f"{mesh.size} MiB" not in describe_split(state.params, state)


def bytes_of(tree):
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def test_the_table_says_how_each_parameter_lies_and_what_a_device_holds():
    mesh = make_mesh(2, 4)
    config = tiny_config(**{"fsdp_min_size": 1})
    state = tiny_experiment(config).init_state(mesh)
    said = describe_split(state.params, state)
    (line,) = [line for line in said.splitlines() if "encoder/conv_stage1/kernel" in line]
    assert "fsdp" in line
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state))
    assert f"a device holds {held / 2**20:.1f} MiB" in said


def test_tables_averages_and_microbatches_are_the_same_where_they_are_split():
    with jax.enable_x64(True):
        config = tiny_config(
            precision="float64",
            microbatches=2,
            total_steps=4,
            **{
                "method.name": "sogclr",
                "optimizer.weight_ema": 0.9,
                "optimizer.name": "lars",
                "projector.norm": "layer",
                "fsdp_min_size": 1,
            },
        )
        whole, split = (train(config, make_mesh(*sizes)) for sizes in ((8, 1), (2, 4)))
        assert not jax.tree.leaves(split.state.params)[0].sharding.is_fully_replicated
        for one, other in zip(
            jax.tree.leaves(whole.state), jax.tree.leaves(split.state), strict=True
        ):
            np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=0, atol=1e-9)
