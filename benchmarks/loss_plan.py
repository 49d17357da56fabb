"""What NT-Xent alone needs of devices that are not there, at any number of rows.

    python -m benchmarks.loss_plan [--topology=gpu:h100:1] [--rows=1048576] [--width=512]

Prints a Markdown table of value and gradient, compiled for each device's share of the rows: memory,
and the bytes of it that the compiled program reads and writes. "Held" are the embeddings and their
gradients, "temporary" is what else the loss needs while it runs. Where Hopper GPUs have fused
kernels, the path that every other device takes (`XLA`) has rows too. A kernel's bytes count each of
its operands once, although it reads the columns again for every block of rows. "At best" are those
bytes, and 6 M^2 d operations, at the published peaks; that of products is bfloat16's, and float32
takes several passes. Nothing is run.
"""

import argparse

import jax
import jax.numpy as jnp

from jcl.cost import hlo
from jcl.cost.devices import peak
from jcl.cost.topology import suit_hardware, topology_devices
from jcl.cost.traffic import measure_traffic
from jcl.losses import nt_xent
from jcl.losses.engine.paired_batch import anchors_of_views, unrounded_anchors
from jcl.losses.engine.symmetric import log_sum_and_positive
from jcl.mesh import batch_sharding, make_mesh

TEMPERATURE = 0.1


def without_kernels(z0, z1, *, temperature, mesh):
    """`nt_xent`, as it is computed where no kernels are."""
    z, pair, temperature = anchors_of_views(z0, z1, temperature)
    exact = unrounded_anchors(z0, z1)
    log_negatives, positive = log_sum_and_positive(
        z, pair, temperature, apart=True, exact=exact, mesh=mesh, block_size=None
    )
    return jnp.mean(jax.nn.softplus(log_negatives - positive))


def measure(loss, mesh, rows, width, dtype):
    """The cells of a row: GiB held and temporary, bytes moved and sent, times at best."""

    def value(z0, z1):
        return loss(z0, z1, temperature=TEMPERATURE, mesh=mesh)

    view = jax.ShapeDtypeStruct((rows // 2, width), dtype, sharding=batch_sharding(mesh))
    compiled = jax.jit(jax.value_and_grad(value, argnums=(0, 1))).lower(view, view).compile()
    memory = compiled.memory_analysis()
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes
    traffic = measure_traffic(hlo.parse(compiled.as_text()), devices=mesh.size)
    limits = peak(mesh.devices.flat[0].device_kind)
    products = 6 * rows**2 * width / mesh.size / limits.flops
    return (
        f"{held / 2**30:.2f}",
        f"{memory.temp_size_in_bytes / 2**30:.2f}",
        f"{traffic.memory_bytes / 1e9:,.0f}",
        f"{sum(traffic.collective_bytes.values()) / 1e9:.2f}",
        f"{1e3 * traffic.memory_bytes / limits.memory_bandwidth:,.0f}",
        f"{1e3 * products:,.0f}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topology", default="gpu:h100:1")
    parser.add_argument("--rows", type=int, default=2**20)
    parser.add_argument("--width", type=int, default=512)
    arguments = parser.parse_args()
    mesh = suit_hardware(make_mesh(devices=topology_devices(arguments.topology)))
    losses = {"jcl": nt_xent}
    if arguments.topology.startswith("gpu:"):
        losses = {"fused kernels": nt_xent, "XLA": without_kernels}
    print(f"{arguments.topology}, JAX {jax.__version__}; of one device:\n")
    print(
        "| rows | d | dtype | by | held, GiB | temporary, GiB | GB of memory | GB sent | "
        "memory at best, ms | products at best, ms |\n|--:|--:|---|---|--:|--:|--:|--:|--:|--:|",
        flush=True,
    )
    for dtype in (jnp.bfloat16, jnp.float32):
        for by, loss in losses.items():
            start = f"| {arguments.rows:,} | {arguments.width} | {jnp.dtype(dtype).name} | {by} |"
            cells = measure(loss, mesh, arguments.rows, arguments.width, dtype)
            print(start, " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
