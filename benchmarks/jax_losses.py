"""The losses of `benchmarks.losses` in JAX: ours, the plain formulas, and optax's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from benchmarks import plain_losses
from benchmarks.implementation import Implementation, Inputs
from jcl.losses import dcl, info_nce, nt_xent, supcon, supremix

TEMPERATURE = 0.1


def implementations(losses: list[str], inputs: Inputs) -> list[Implementation]:
    """Compiled for inputs of these shapes; of each loss, ours comes first."""
    return [
        _compile(loss, name, function, inputs)
        for loss in losses
        for name, function in LOSSES[loss].items()
    ]


def _optax_ntxent(x: Inputs):
    pairs = jnp.tile(jnp.arange(len(x.z0)), 2)
    return optax.losses.ntxent(jnp.concatenate([x.z0, x.z1]), pairs, TEMPERATURE)


def _supremix(x: Inputs):
    return supremix(x.z0, x.z1, x.targets, x.key, temperature=TEMPERATURE, window=5)


LOSSES: dict[str, dict[str, Callable[[Inputs], jax.Array]]] = {
    "nt_xent": {
        "jcl": lambda x: nt_xent(x.z0, x.z1, temperature=TEMPERATURE),
        "plain jnp": lambda x: plain_losses.nt_xent(x.z0, x.z1, TEMPERATURE),
        "optax": _optax_ntxent,
    },
    "dcl": {
        "jcl": lambda x: dcl(x.z0, x.z1, temperature=TEMPERATURE),
        "plain jnp": lambda x: plain_losses.dcl(x.z0, x.z1, TEMPERATURE),
    },
    "info_nce": {
        "jcl": lambda x: info_nce(x.z0, x.z1, temperature=TEMPERATURE),
        "plain jnp": lambda x: plain_losses.info_nce(x.z0, x.z1, TEMPERATURE),
    },
    "supcon": {
        "jcl": lambda x: supcon(x.z0, x.z1, x.labels, temperature=TEMPERATURE),
        "plain jnp": lambda x: plain_losses.supcon(x.z0, x.z1, x.labels, TEMPERATURE),
    },
    "supremix": {"jcl": _supremix},
}


def _compile(loss: str, name: str, function: Callable, inputs: Inputs) -> Implementation:
    def of_views(views, inputs):
        return function(inputs._replace(z0=views[0], z1=views[1]))

    views = inputs.z0, inputs.z1
    compiled = jax.jit(jax.value_and_grad(of_views)).lower(views, inputs).compile()
    memory = compiled.memory_analysis()
    return Implementation(
        loss,
        name,
        peak_bytes=memory.temp_size_in_bytes + memory.output_size_in_bytes,
        xla_temporary=memory.temp_size_in_bytes,
        call=lambda x: compiled((x.z0, x.z1), x),
    )
