"""What a compiled step needs of a device's memory, and whether the device has it."""

import jax

from jcl.cost.devices import memory_limit
from jcl.errors import UserError


def step_bytes(compiled: jax.stages.Compiled) -> int:
    """Memory that a compiled step needs on a device: arguments, results and all between."""
    memory = compiled.memory_analysis()
    # The new state takes the place of the donated one.
    return (
        memory.argument_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


def check_memory(needed: int, device: jax.Device) -> None:
    """Raises UserError where a step needs more bytes than programs may take on a device."""
    most = memory_limit(device)
    if most is not None and needed > most:
        hint = ""
        if device.platform == "gpu":
            hint = "; JAX takes the share XLA_PYTHON_CLIENT_MEM_FRACTION of a GPU, 0.75 by default"
        raise UserError(
            f"the step needs {needed / 2**30:.1f} GiB of a {device.device_kind}, which has "
            f"{most / 2**30:.1f} GiB for it: more microbatches or devices, or a smaller batch, "
            f"need less{hint}"
        )
