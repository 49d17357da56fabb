"""ResNets: published sizes, stems, initialisation, options."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models import resnet
from tests.models.networks import initialised, parameter_count, shapes


# torchvision's counts, each with a layer to 1000 classes.
@pytest.mark.parametrize(
    ("name", "dim", "count"),
    [
        ("resnet18", 512, 11_689_512),
        ("resnet34", 512, 21_797_672),
        ("resnet50", 2048, 25_557_032),
        ("resnet101", 2048, 44_549_160),
        ("resnet152", 2048, 60_192_808),
    ],
)
def test_parameter_counts_are_the_published_ones(name, dim, count):
    model = getattr(resnet, name)()
    assert parameter_count(model, 1, 224, 224, 3) == count - 1000 * (dim + 1)


def test_twice_as_wide_is_simclrs_2x_network():
    features, _ = shapes(resnet.resnet50(width=128), 1, 224, 224, 3)
    assert features.shape == (1, 4096)
    # SimCLR, Table 6 and Fig. 1, counts 94 million parameters.
    assert round(parameter_count(resnet.resnet50(width=128), 1, 224, 224, 3) / 1e6) == 94


@pytest.mark.parametrize(
    ("stem", "side", "resolutions"),
    [("imagenet", 224, (56, 28, 14, 7)), ("cifar", 32, (32, 16, 8, 4))],
)
def test_resolution_of_every_stage(stem, side, resolutions):
    model = resnet.resnet18(stem=stem, width=8)
    _, variables = jax.eval_shape(
        lambda x: model.init_with_output(
            jax.random.key(0), x, train=True, capture_intermediates=True
        ),
        jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32),
    )
    for stage, resolution in enumerate(resolutions):
        (block,) = variables["intermediates"][f"stage{stage}_block1"]["__call__"]
        assert block.shape == (2, resolution, resolution, 8 * 2**stage)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_new_block_adds_nothing_to_its_shortcut(bottleneck):
    block = resnet.ResidualBlock(width=4, bottleneck=bottleneck)
    x = np.random.default_rng(0).standard_normal((3, 6, 6, 16 if bottleneck else 4))
    x = jnp.asarray(x, jnp.float32)
    y, variables = jax.jit(lambda x: block.init_with_output(jax.random.key(1), x, train=True))(x)
    assert "shortcut" not in variables["params"]
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_kernels_have_variance_two_over_fan_out():
    model = resnet.ResNet(stage_sizes=(1,), width=64, bottleneck=True, stem="cifar")
    params = initialised(model, 1, 4, 4, 3)["params"]
    for kernel in (params["stage0_block0"]["conv1"]["kernel"], params["stem"]["kernel"]):
        fan_out = kernel.shape[0] * kernel.shape[1] * kernel.shape[3]
        np.testing.assert_allclose(kernel.std(), (2 / fan_out) ** 0.5, rtol=0.05)


def test_parameter_paths_say_where_they_are():
    _, variables = shapes(resnet.resnet50(stage_sizes=(1, 1)), 1, 32, 32, 3)
    params = variables["params"]
    assert set(params) == {"stem", "stem_norm", "stage0_block0", "stage1_block0"}
    assert set(params["stage1_block0"]) == {
        *("conv0", "norm0", "conv1", "norm1", "conv2", "norm2"),
        *("shortcut", "shortcut_norm"),
    }


def test_the_stride_of_a_bottleneck_is_in_its_3x3_convolution():
    block = resnet.ResidualBlock(width=2, stride=2, bottleneck=True)
    output, variables = jax.eval_shape(
        lambda x: block.init_with_output(
            jax.random.key(0), x, train=True, capture_intermediates=True
        ),
        jax.ShapeDtypeStruct((1, 8, 8, 3), jnp.float32),
    )
    sides = [variables["intermediates"][f"conv{i}"]["__call__"][0].shape[1] for i in range(2)]
    assert [*sides, output.shape[1]] == [8, 4, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stem": "mnist"}, "encoder.stem='mnist' is unknown; allowed: imagenet, cifar"),
        ({"stage_sizes": ()}, "encoder.stage_sizes=() is impossible"),
        ({"stage_sizes": (2, 0)}, "encoder.stage_sizes=(2, 0) is impossible"),
        ({"width": 0}, "encoder.width=0 is impossible"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        resnet.resnet50(**options)
