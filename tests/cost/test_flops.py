"""Counted operations against formulas and against published numbers; nothing is computed."""

import importlib

import jax
import jax.numpy as jnp
import pytest
from jax.experimental import pallas
from jax.sharding import PartitionSpec

from jcl.cost.flops import count_flops
from jcl.errors import UserError
from jcl.losses import nt_xent
from jcl.mesh import make_mesh
from jcl.models import ENCODERS


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def test_matrix_products():
    assert count_flops(jnp.matmul, shape(3, 5), shape(5, 7)) == 2 * 3 * 5 * 7
    assert count_flops(jnp.matmul, shape(5), shape(5)) == 2 * 5
    batched = "btsd,bsde->bte"  # one batch axis, two that are summed over
    count = count_flops(
        lambda x, y: jnp.einsum(batched, x, y), shape(2, 3, 4, 5), shape(2, 4, 5, 6)
    )
    assert count == 2 * 2 * 3 * 6 * 4 * 5


def test_only_products_count():
    assert count_flops(lambda x: jnp.sort(jnp.exp(x) + x).sum(), shape(8, 8)) == 0


def test_arguments_are_trees_of_arrays_or_shapes():
    tree = {"w": jnp.zeros((4, 6)), "x": [shape(2, 4)]}
    assert count_flops(lambda tree: tree["x"][0] @ tree["w"], tree) == 2 * 2 * 4 * 6


def convolve(x, kernel, **options):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, dimension_numbers=layout, **options)


# Input channels, kernel, options; images are 16 x 16.
CONVOLUTIONS = {
    "plain": (6, (3, 5, 6, 8), {"window_strides": (1, 1), "padding": "SAME"}),
    "stride": (6, (3, 3, 6, 8), {"window_strides": (2, 4), "padding": "SAME"}),
    "valid": (6, (4, 4, 6, 8), {"window_strides": (4, 4), "padding": "VALID"}),
    "groups": (
        6,
        (3, 3, 2, 9),
        {"window_strides": (2, 2), "padding": "SAME", "feature_group_count": 3},
    ),
    "depthwise": (
        6,
        (3, 3, 1, 6),
        {"window_strides": (1, 1), "padding": "SAME", "feature_group_count": 6},
    ),
    "dilation": (
        6,
        (3, 3, 6, 8),
        {"window_strides": (1, 1), "padding": "VALID", "rhs_dilation": (2, 3)},
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_and_their_gradients(name):
    channels, kernel, options = CONVOLUTIONS[name]

    def convolution(x, kernel):
        return convolve(x, kernel, **options)

    arguments = shape(4, 16, 16, channels), shape(*kernel)
    _, height, width, outputs = jax.eval_shape(convolution, *arguments).shape
    groups = options.get("feature_group_count", 1)
    forward = 2 * 4 * height * width * outputs * kernel[0] * kernel[1] * channels / groups
    assert count_flops(convolution, *arguments) == forward

    def loss(*arguments):
        return jnp.sum(convolution(*arguments) ** 2)

    # Every multiplication of the convolution makes one for each of its two gradients.
    both = jax.value_and_grad(loss, argnums=(0, 1))
    if options["padding"] == "SAME" or kernel[0] == 4:
        assert count_flops(both, *arguments) == pytest.approx(3 * forward, rel=1e-9)
    else:  # the gradient of the image has the image's size, which is larger than the output
        assert 3 * forward < count_flops(both, *arguments) < 5 * forward


def test_gradient_of_a_chain_of_products():
    x, weights = shape(32, 10), [shape(10, 20), shape(20, 30), shape(30, 4)]

    def loss(weights, x):
        for w in weights:
            x = jnp.tanh(x @ w)
        return jnp.sum(x)

    forward = 2 * 32 * (10 * 20 + 20 * 30 + 30 * 4)
    assert count_flops(loss, weights, x) == forward
    unneeded = 2 * 32 * 10 * 20  # the gradient of the input
    assert count_flops(jax.value_and_grad(loss), weights, x) == 3 * forward - unneeded
    assert count_flops(jax.value_and_grad(loss, argnums=(0, 1)), weights, x) == 3 * forward


def test_rematerialised_work_counts_again():
    x, w = shape(32, 10), shape(10, 20)

    def loss(w, x):
        return jnp.sum(jnp.sin(x @ w))

    once = 2 * 32 * 10 * 20
    assert count_flops(jax.value_and_grad(loss), w, x) == 2 * once
    assert count_flops(jax.value_and_grad(jax.checkpoint(loss)), w, x) == 3 * once


def test_loops_count_every_trip():
    x, once = shape(6, 6), 2 * 6**3

    def scan(x):
        return jax.lax.scan(lambda c, _: (jnp.sin(c @ x), None), x, length=7)[0].sum()

    assert count_flops(scan, x) == 7 * once
    assert count_flops(lambda x: jax.lax.fori_loop(2, 7, lambda _, c: c @ x, x), x) == 5 * once
    # In blocks of 4, 4 and 2.
    rows = shape(10, 3, 5)
    blocks = lambda a: jax.lax.map(lambda row: row @ row.T, a, batch_size=4)  # noqa: E731
    assert count_flops(blocks, rows) == 10 * 2 * 3 * 5 * 3
    # Backward: both gradients of c @ x in each trip.
    assert count_flops(jax.value_and_grad(scan), x) == 7 * 3 * once


def test_unknown_trip_counts_are_refused_only_where_they_matter():
    x = shape(6, 6)

    def loop(x, n):
        return jax.lax.fori_loop(0, n, lambda _, c: c @ x, x)

    n = jax.ShapeDtypeStruct((), jnp.int32)
    with pytest.raises(UserError, match="a while with matrix products") as error:
        count_flops(loop, x, n)
    assert "\n" not in str(error.value)
    assert count_flops(lambda x, n: jax.lax.fori_loop(0, n, lambda _, c: c + x, x), x, n) == 0

    def kernel(x, out):
        out[...] = x[...] @ x[...]

    with pytest.raises(UserError, match="a pallas_call with"):
        count_flops(pallas.pallas_call(kernel, out_shape=x), x)


def test_nested_calls_count_once_and_branches_at_their_most():
    x, once = shape(6, 6), 2 * 6**3

    @jax.custom_vjp
    def square(x):
        return x @ x

    square.defvjp(lambda x: (x @ x, x), lambda x, g: (g @ x.T + x.T @ g,))

    @jax.custom_jvp
    def cube(x):
        return x @ x @ x

    cube.defjvp(lambda primals, tangents: (cube(*primals), tangents[0]))

    def total(x):
        return jnp.sum(jnp.sin(jax.jit(square)(x)))

    assert count_flops(jax.jit(total), x) == once
    assert count_flops(jax.value_and_grad(total), x) == 3 * once
    assert count_flops(jax.jit(cube), x) == 2 * once
    assert count_flops(lambda x: jax.lax.cond(x[0, 0] > 0, square, cube, x), x) == 2 * once
    switch = [lambda x: x, cube, square]
    assert count_flops(lambda x: jax.lax.switch(1, switch, jax.vmap(jnp.sin)(x)), x) == 2 * once
    assert (
        count_flops(lambda x: jax.lax.platform_dependent(x, cuda=cube, default=square), x) == once
    )


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(4, 2)


def test_shards_add_up(mesh):
    def products(x, y):
        return jax.lax.map(lambda row: row @ y, x)

    def sharded(*axes):
        rows = PartitionSpec(axes)
        specs = {"in_specs": (rows, PartitionSpec()), "out_specs": rows}
        return jax.shard_map(products, mesh=mesh, axis_names=set(axes), **specs)

    x, y = shape(16, 3, 5), shape(5, 7)
    whole = 16 * 2 * 3 * 5 * 7
    assert count_flops(products, x, y) == whole
    assert count_flops(sharded("data", "fsdp"), x, y) == whole
    # Over one axis by hand, the other left to the compiler.
    assert count_flops(jax.jit(sharded("data")), x, y) == whole
    # Work that is not split is done on all eight devices.
    same = jax.shard_map(
        jnp.matmul, mesh=mesh, in_specs=(PartitionSpec(),) * 2, out_specs=PartitionSpec()
    )
    assert count_flops(same, shape(3, 5), y) == 8 * 2 * 3 * 5 * 7


@pytest.mark.parametrize(
    ("on_mesh", "forward", "gradient"),
    [
        # Each device: similarities again, and the gradient of its rows.
        (True, 1, 2),
        # Of four tiles three, as two are mirror images: similarities and both sides' gradients.
        (False, 3 / 4, 3 * 3 / 4),
    ],
)
def test_nt_xent(on_mesh, forward, gradient, mesh):
    batch, width = 512, 24

    def loss(z0, z1):
        return nt_xent(z0, z1, temperature=0.1, mesh=mesh if on_mesh else None)

    z = shape(batch, width)
    similarities = 2 * (2 * batch) ** 2 * width
    assert count_flops(loss, z, z) == forward * similarities
    both = count_flops(jax.value_and_grad(loss, argnums=(0, 1)), z, z)
    assert both == (forward + gradient) * similarities


# Multiply-adds in 1e9 for one image of 224 pixels, as torchvision documents its classifiers.
PUBLISHED = {
    "resnet18": 1.814,
    "resnet34": 3.664,
    "resnet50": 4.089,
    "resnet101": 7.801,
    "resnet152": 11.514,
    "vit_b": 17.564,
}


def encoder(name, images):
    """The model, its features and its variables, as shapes."""
    module, _, attribute = ENCODERS[name].partition(":")
    model = getattr(importlib.import_module(module), attribute)()

    def initialise(images):
        return model.init_with_output(jax.random.key(0), images, train=False)

    return model, *jax.eval_shape(initialise, images)


@pytest.mark.parametrize("name", PUBLISHED)
def test_forward_pass_of_published_networks(name):
    images = shape(2, 224, 224, 3)
    model, features, variables = encoder(name, images)

    def classify(variables, images, head):
        return model.apply(variables, images, train=False) @ head

    count = count_flops(classify, variables, images, shape(features.shape[-1], 1000))
    assert count / (2 * 2e9) == pytest.approx(PUBLISHED[name], rel=1e-3)


def test_training_a_network_costs_three_forward_passes():
    """Less the gradient of the images; strided convolutions are no exception."""
    images = shape(2, 64, 64, 3)
    model, _, variables = encoder("resnet18", images)

    def forward(params, images):
        rest = {"batch_stats": variables["batch_stats"]}
        rest = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), rest)
        features, _ = model.apply({"params": params, **rest}, images, train=True, mutable=[*rest])
        return jnp.sum(features)

    once = count_flops(forward, variables["params"], images)
    stem = 2 * 2 * 32 * 32 * 64 * 7 * 7 * 3
    trained = count_flops(jax.value_and_grad(forward), variables["params"], images)
    assert trained == 3 * once - stem
