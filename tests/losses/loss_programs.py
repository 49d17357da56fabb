"""Programs of the losses, compiled and never run, and what they may hold and send."""

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from tests.losses.every_loss import EVERY_LOSS
from tests.losses.hlo import collectives, largest_array, products

# Large enough that XLA does not turn a reduce-scatter into an all-reduce, to save time on a TPU.
DEVICES, BATCH, DIMENSIONS, BLOCK = 8, 1024, 16, 16

# What each loss sends on a mesh: (kind, element type, elements of the result on a device), and how
# often at most: XLA may merge the same gather of the forward and of the backward pass.
_ROWS = 2 * BATCH
_GATHER_ROWS = ("all-gather", "f32", _ROWS * DIMENSIONS)
# Each device forms the whole gradient of its own rows, from the columns and, of each, its group,
# its log-sum-exp, the weight of that and the weight of its positives. Nothing is scattered.
_SYMMETRIC = {
    _GATHER_ROWS: 2,
    ("all-gather", "s32", _ROWS): 2,
    ("all-gather", "f32", _ROWS): 3,
}
SENT = {
    "nt_xent": _SYMMETRIC,
    "dcl": _SYMMETRIC,
    "dclw": _SYMMETRIC,
    # Each device sorts the labels of all examples, to know which of its own stand alone.
    "supcon": {**_SYMMETRIC, ("all-gather", "s32", BATCH): 1},
    # A device compares its queries with all keys, so sums over queries are reduced (a maximum and a
    # sum), and the gradients of keys go back to where they live.
    "info_nce": {
        ("all-gather", "f32", BATCH * DIMENSIONS): 1,
        ("all-gather", "s32", BATCH): 1,
        ("all-reduce", "f32", BATCH): 2,
        # XLA's choice: each device finishes a share of the sums over queries.
        ("all-gather", "f32", BATCH): 2,
        ("reduce-scatter", "f32", BATCH * DIMENSIONS // DEVICES): 1,
    },
    "supremix": {
        _GATHER_ROWS: 1,
        ("all-gather", "f32", _ROWS): 1,
        ("reduce-scatter", "f32", _ROWS * DIMENSIONS // DEVICES): 1,
    },
}
# Of means, of the gradient of the temperature, and of the weights of DCLW.
_SCALAR = ("all-reduce", "f32", 1)


def compile_value_and_gradient(
    name, mesh, batch=BATCH, dimensions=DIMENSIONS, block_size=BLOCK, dtype=jnp.float32
):
    def array(dtype, *shape):
        sharding = mesh and NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        return jax.ShapeDtypeStruct((batch, *shape), dtype, sharding=sharding)

    def loss(z0, z1, side, temperature):
        options = {"temperature": temperature, "mesh": mesh, "block_size": block_size}
        return EVERY_LOSS[name](z0, z1, side, **options)

    z = array(dtype, dimensions)
    side = array(jnp.int32 if name == "supcon" else jnp.float32)
    temperature = jax.ShapeDtypeStruct((), jnp.float32)
    gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 3)))
    # What never runs need not be fast: LLVM's share of the time to compile, not of the program.
    quickly = {"xla_backend_optimization_level": 0}
    return gradient.lower(z, z, side, temperature).compile(compiler_options=quickly)


def assert_nothing_is_larger_than_a_block(name, program):
    """Neither all similarities of the batch nor those of one device's rows exist at any time."""
    columns = BATCH if name == "info_nce" else 2 * BATCH
    # SupReMix has a matrix for each of the two bins on either side, within its window.
    matrices = 4 if name == "supremix" else 1
    # The largest vectors that there are, M x d, are as large as a block.
    assert largest_array(program) <= matrices * BLOCK * columns
    assert matrices * BLOCK * columns < columns * columns // DEVICES


def assert_sends_what_it_should(name, program):
    sent = collectives(program)
    del sent[_SCALAR]
    assert sent.keys() == SENT[name].keys(), sent
    assert all(count <= SENT[name][operation] for operation, count in sent.items()), sent


def assert_multiplies_bfloat16(program):
    """Matrix units multiply bfloat16 in one pass, where float32 takes them six."""
    operands = products(program)
    assert operands
    assert set(operands) == {("bf16", "bf16")}, operands
