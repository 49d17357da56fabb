"""Compiled programs whose bytes, operations and trips can be counted by hand."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from jcl.cost import hlo
from jcl.cost.traffic import measure_traffic
from jcl.mesh import make_mesh
from tests.counts_worker import TRIPS, products, unrolled

ROWS = PartitionSpec(("data", "fsdp"))


def shape(*sizes):
    return jax.ShapeDtypeStruct(sizes, jnp.float32)


def compiled(function, *arguments):
    program = jax.jit(function).lower(*arguments).compile()
    traffic = measure_traffic(hlo.parse(program.as_text()), devices=8)
    analysis = program.cost_analysis()
    return (
        traffic,
        analysis["flops"] + traffic.further_flops,
        analysis["bytes accessed"] + traffic.further_bytes,
    )


@pytest.fixture(scope="module")
def mesh():
    return make_mesh(4, 2)


def on_mesh(function, mesh):
    return jax.shard_map(function, mesh=mesh, in_specs=ROWS, out_specs=ROWS, check_vma=False)


def test_a_gather_in_a_loop(mesh):
    def gather(x):
        def body(x, _):
            return jax.lax.all_gather(x, ROWS[0], tiled=True).reshape(8, 16, 4).sum(0), None

        return jax.lax.scan(body, x, length=5)[0]

    traffic, *_ = compiled(on_mesh(gather, mesh), shape(8 * 16, 4))
    # Each device passes seven blocks of 16 x 4 floats on, five times.
    assert traffic.collective_bytes == {"all-gather": 5 * 7 * 16 * 4 * 4}
    assert traffic.unknown_loops == 0


def test_every_kind_of_collective(mesh):
    block = 16 * 32 * 4  # bytes on one device

    def collectives(x):
        summed = jax.lax.psum(x, ROWS[0])
        pairs = jax.lax.psum(jnp.sin(x), "fsdp")  # in groups of two
        scattered = jax.lax.psum_scatter(jnp.cos(x), ROWS[0], tiled=True)
        turned = jax.lax.ppermute(jnp.exp(x), "fsdp", [(0, 1), (1, 0)])
        swapped = jax.lax.all_to_all(x + 1, "data", 0, 0, tiled=True)
        return summed + pairs + turned + swapped + jnp.tile(scattered, (8, 1))

    traffic, *_ = compiled(on_mesh(collectives, mesh), shape(8 * 16, 32))
    assert traffic.collective_bytes == pytest.approx(
        {
            "all-reduce": 2 * 7 / 8 * block + 2 * 1 / 2 * block,
            "reduce-scatter": 7 / 8 * block,
            "collective-permute": block,
            "all-to-all": 3 / 4 * block,
        }
    )


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("{{0,1},{2,3},{4,5},{6,7}}", 2),
        ("[2,4]<=[8]", 4),
        ("{}", 8),
        ("mesh['data'=4,'fsdp'=2] {'fsdp'}", 2),
        ("mesh['data'=4,'fsdp'=2] {'data','fsdp'}", 8),
        ("mesh['data'=4,'fsdp'=2] {'data':(2)2}", 2),
        ("mesh['x'=8, device_ids=([2,4]T(1,0))] {'x':(1)4}", 4),
    ],
)
def test_groups_in_every_notation(groups, size):
    text = f"""
HloModule notations

%add (a: f32[], b: f32[]) -> f32[] {{
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}}

ENTRY %main (x: f32[16]) -> f32[16] {{
  %x = f32[16]{{0}} parameter(0)
  ROOT %y = f32[16]{{0}} all-reduce(%x), channel_id=1, replica_groups={groups}, to_apply=%add
}}
"""
    traffic = measure_traffic(hlo.parse(text), devices=8)
    assert traffic.collective_bytes == pytest.approx({"all-reduce": 2 * (size - 1) / size * 64})


def test_a_loop_costs_what_its_trips_cost():
    side = 128
    arguments = shape(side, side), shape(side, side)
    _, flops, moved = compiled(products, *arguments)
    _, unrolled_flops, unrolled_moved = compiled(unrolled, *arguments)
    assert flops == pytest.approx(TRIPS * 2 * side**3, rel=1e-2)
    assert flops == pytest.approx(unrolled_flops, rel=1e-2)
    # A product reads two matrices and writes one, tanh reads and writes one; the loop copies a few.
    assert moved == pytest.approx(TRIPS * 5 * side**2 * 4, rel=0.15)
    assert moved == pytest.approx(unrolled_moved, rel=0.15)


def test_a_trip_reads_its_slice_of_a_stack():
    def loop(x, stack):
        return jax.lax.scan(lambda x, w: (x + jnp.sin(w), 2 * x), x, stack)

    x, stack = shape(64, 64), shape(100, 64, 64)
    traffic, _, moved = compiled(loop, x, stack)
    trip = 64 * 64 * 4
    # x, w and two results, besides copies; the whole stack would be a hundred.
    assert 4 * 100 * trip < moved < 9 * 100 * trip
    assert traffic.memory_bytes == pytest.approx(moved, rel=0.1)


def test_nested_loops_multiply():
    def inner(x, _):
        return jax.lax.fori_loop(2, 7, lambda _, x: jnp.sin(x @ x), x), None

    traffic, flops, _ = compiled(lambda x: jax.lax.scan(inner, x, length=3)[0], shape(64, 64))
    assert flops == pytest.approx(15 * 2 * 64**3, rel=2e-2)
    assert traffic.unknown_loops == 0


def test_a_loop_of_unknown_length_counts_once_and_is_named():
    def loop(x, n):
        return jax.lax.fori_loop(0, n, lambda _, x: jnp.sin(x @ x), x)

    n = jax.ShapeDtypeStruct((), jnp.int32)
    traffic, flops, _ = compiled(loop, shape(64, 64), n)
    assert traffic.unknown_loops == 1
    assert flops == pytest.approx(2 * 64**3, rel=2e-2)


CONVOLUTIONS = {
    "padded": {"window_strides": (2, 2), "padding": ((3, 3), (3, 2))},
    "dilated": {"window_strides": (1, 1), "padding": "VALID", "rhs_dilation": (2, 1)},
    "transposed": {"window_strides": (1, 1), "padding": ((2, 2), (2, 2)), "lhs_dilation": (2, 2)},
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_in_a_loop(name):
    def convolve(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, dimension_numbers=layout, **CONVOLUTIONS[name]
        ).sum()

    def loop(x, kernel):
        body = lambda total, _: (total + convolve(x + total, kernel), None)  # noqa: E731
        return jax.lax.scan(body, 0.0, length=6)[0]

    arguments = shape(2, 12, 11, 8), shape(5, 4, 8, 16)
    once = jax.jit(convolve).lower(*arguments).compile().cost_analysis()["flops"]
    _, flops, _ = compiled(loop, *arguments)
    assert flops == pytest.approx(6 * once, rel=2e-2)
