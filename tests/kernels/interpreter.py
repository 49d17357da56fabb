"""JAX's interpreter of Mosaic GPU kernels, on a CPU.

It runs every block and warpgroup of a kernel, with shared memory, barriers and copies, and can look
for races. What it does not show: that a GPU's machine code does the same (asynchronous products are
done at once here), and how fast it is. In JAX 0.11.2 it lacks products whose left operand is in
registers; `_wgmma` adds them, as NumPy multiplies.
"""

import contextlib

import jax
import jax.experimental.pallas.mosaic_gpu as plgpu
import numpy as np
from jax._src.pallas.mosaic_gpu.interpret import gpu_callbacks, interpret_pallas_call

_of_shared_memory = gpu_callbacks.wgmma
_KEY = 6  # numbers that name an allocation


@gpu_callbacks.fail_on_exception
def _wgmma(*, a_allocation_key_as_array, **rest):
    if a_allocation_key_as_array.shape == (_KEY,):
        return _of_shared_memory(a_allocation_key_as_array=a_allocation_key_as_array, **rest)
    shared, thread = gpu_callbacks._get_shared_memory(), rest["thread"]
    where = gpu_callbacks.memory.GPULoggingInfo(
        rest["mesh_location"], thread, rest.get("source_info")
    )

    def access(name):
        key = gpu_callbacks.HostAllocationKey.from_array(rest[f"{name}_allocation_key_as_array"])
        transforms = gpu_callbacks._remove_noop_transforms(rest[f"{name}_transforms"])
        return key, shared.access(key, jax.tree.map(int, transforms))

    def content(name):
        return shared.get_buffer_content(*access(name), thread, logging_info=where)[0]

    left = np.asarray(a_allocation_key_as_array, np.float32)
    total = content("acc") + left @ content("b").astype(np.float32)
    shared.store_buffer_content(*access("acc"), total, thread, logging_info=where)
    return rest["token"]


@contextlib.contextmanager
def interpreted(monkeypatch, *, detect_races=False):
    """Kernels that are called in here are interpreted, with JAX's arrays as their memory."""
    monkeypatch.setattr(gpu_callbacks, "wgmma", _wgmma)
    try:
        with plgpu.force_gpu_interpret_mode(plgpu.InterpretGPUParams(detect_races=detect_races)):
            yield
        if detect_races:
            assert not interpret_pallas_call.get_races().races_found
    finally:
        interpret_pallas_call.reset_gpu_interpret_mode_state()
