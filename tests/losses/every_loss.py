"""The public losses behind one signature, for tests that treat them all alike."""

import jax

from jcl.losses import dcl, info_nce, nt_xent, supcon, supremix

# `side` is what a loss wants to know of each example: labels, targets, or nothing.
EVERY_LOSS = {
    "nt_xent": lambda z0, z1, side, **options: nt_xent(z0, z1, **options),
    "dcl": lambda z0, z1, side, **options: dcl(z0, z1, **options),
    "dclw": lambda z0, z1, side, **options: dcl(z0, z1, weight_sigma=0.5, **options),
    "info_nce": lambda z0, z1, side, **options: info_nce(z0, z1, **options),
    "supcon": lambda z0, z1, side, **options: supcon(z0, z1, side, **options),
    "supremix": lambda z0, z1, side, **options: supremix(
        z0, z1, side, jax.random.key(3), window=6.0, bin_width=2.0, **options
    ),
}
