"""Compiles every loss for eight TPU chips and writes the programs into a folder.

A process of its own, because libtpu takes over signals in the process that loads it.
"""

import sys
from pathlib import Path

import jax.numpy as jnp

from jcl.cost.topology import topology_devices
from jcl.mesh import make_mesh
from tests.losses.every_loss import EVERY_LOSS
from tests.losses.loss_programs import compile_value_and_gradient

BFLOAT16 = ("nt_xent", "info_nce")


def main(folder):
    mesh = make_mesh(4, 2, devices=topology_devices("tpu:v5e:2x4"))
    for name in EVERY_LOSS:
        Path(folder, name).write_text(compile_value_and_gradient(name, mesh).as_text())
    for name in BFLOAT16:
        program = compile_value_and_gradient(name, mesh, dtype=jnp.bfloat16)
        Path(folder, name + " bfloat16").write_text(program.as_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
