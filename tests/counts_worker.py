"""Compiles small programs for eight TPU chips and writes down what is counted in them.

A process of its own, because libtpu takes over signals in the process that loads it.
"""

import functools
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from jcl.cost import hlo
from jcl.cost.topology import suit_hardware, topology_devices
from jcl.cost.traffic import measure_traffic
from jcl.mesh import make_mesh

TRIPS = 9
ROWS = PartitionSpec(("data", "fsdp"))


def gather(x):
    def body(x, _):
        gathered = jax.lax.all_gather(x, ROWS[0], tiled=True)
        return jnp.sin(gathered.reshape(8, *x.shape).sum(0)), None

    return jax.lax.scan(body, x, length=5)[0]


def product(x, w):
    return jnp.tanh(x @ w)


def products(x, w):
    return jax.lax.scan(lambda x, _: (product(x, w), None), x, length=TRIPS)[0]


def unrolled(x, w):
    return functools.reduce(lambda x, _: product(x, w), range(TRIPS), x)


def main(path):
    mesh = suit_hardware(make_mesh(4, 2, devices=topology_devices("tpu:v5e:2x4")))

    def array(spec, *shape):
        return jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, spec))

    on_mesh = jax.shard_map(gather, mesh=mesh, in_specs=ROWS, out_specs=ROWS, check_vma=False)
    square = array(PartitionSpec(), 256, 256)
    programs = {
        "gather": (on_mesh, array(ROWS, 8 * 16, 128)),
        "products": (products, square, square),
        "unrolled": (unrolled, square, square),
    }
    counts = {}
    for name, (function, *arguments) in programs.items():
        compiled = jax.jit(function).lower(*arguments).compile()
        traffic = measure_traffic(hlo.parse(compiled.as_text()), devices=8)
        analysis = compiled.cost_analysis()
        counts[name] = {
            "collective_bytes": traffic.collective_bytes,
            "unknown_loops": traffic.unknown_loops,
            "flops": analysis["flops"] + traffic.further_flops,
            "bytes": analysis["bytes accessed"] + traffic.further_bytes,
        }
    Path(path).write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
