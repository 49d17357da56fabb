"""The device memory that a compiled step needs, and a check that the device has it."""

import jax

from jcl.cost.devices import memory_limit
from jcl.errors import UserError

_SHARE = "JAX takes the share XLA_PYTHON_CLIENT_MEM_FRACTION of a GPU, 0.75 by default"
_EXHAUSTED = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY")


def step_bytes(compiled: jax.stages.Compiled) -> int:
    """Memory that a compiled step needs on a device: arguments, results and temporaries."""
    memory = compiled.memory_analysis()
    # The new state reuses the memory of the donated one.
    return (
        memory.argument_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


def check_memory(needed: int, device: jax.Device) -> None:
    """Raises UserError if a step needs more bytes than programs may use on a device."""
    most = memory_limit(device)
    if most is not None and needed > most:
        hint = f"; {_SHARE}" if device.platform == "gpu" else ""
        raise UserError(
            f"the step needs {needed / 2**30:.1f} GiB of a {device.device_kind}, which has "
            f"{most / 2**30:.1f} GiB for it: more microbatches or devices, or a smaller batch, "
            f"need less{hint}"
        )


def out_of_memory(error: Exception) -> str | None:
    """What to do about a device that ran out of memory, in a sentence; None for other errors."""
    text = str(error)
    if not isinstance(error, jax.errors.JaxRuntimeError) or not any(x in text for x in _EXHAUSTED):
        return None
    hint = ""
    if jax.default_backend() == "gpu":
        hint = f"; {_SHARE}, so set it to what other programs leave, which nvidia-smi shows"
    return (
        f"a device has too little memory left ({text.splitlines()[0][:200]}): more microbatches or "
        f"devices, or a smaller batch, need less{hint}"
    )
