"""The GPUs of one server that are not there, to compile for.

JAX's CUDA plugin holds XLA's compiler for GPUs, which needs no GPU, no driver and no CUDA to
compile. Without a GPU it measures nothing, so it takes other tiles, and other algorithms of
convolutions, than it would choose there.
"""

import importlib.util
import re

import jax
from jax.experimental import topologies

from jcl.cost.devices import peak
from jcl.errors import UserError

KINDS = {"h100": "NVIDIA H100 80GB HBM3", "h200": "NVIDIA H200"}  # as JAX names them
MOST = 8  # in one server, which NVLink connects
FORMS = (
    f"gpu:KIND:NUMBER, such as gpu:h100:1 or gpu:h200:{MOST}, with one of the kinds "
    f"{', '.join(KINDS)} and at most {MOST} of them, one server"
)
_FORM = re.compile(rf"gpu:({'|'.join(KINDS)}):([1-{MOST}])")
_PLUGINS = ("jax_plugins.xla_cuda13", "jax_plugins.xla_cuda12")

# What XLA asks a GPU about itself: the text form of XLA's GpuTargetConfigProto. An H200 is an H100
# with other memory.
_HOPPER = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: {memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: 9 feature_extension: ACCELERATED_FEATURES }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  device_vendor: "NVIDIA Corporation"
  platform_version: "Compute Capability 9.0a"
  device_address_bits: 64
  pcie_bandwidth: 34359738368
  ecc_enabled: true
  name: "{name}"
  driver_version: "13.0.0"
  runtime_version: "13.0.0"
  compile_time_toolkit_version: "13.0.0"
  dnn_version: "9.10.0"
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{name}"
"""


def devices(topology: str) -> list[jax.Device]:
    """GPUs of one server, good for compiling and nothing else.

    Call it before JAX makes its first array: it has JAX run on the CPU.

    Args:
        topology: such as "gpu:h100:8": the kind, and how many.

    Raises:
        UserError: a topology that is not of this form, or no CUDA plugin, or not this JAX's.
    """
    match = _FORM.fullmatch(topology)
    if not match:
        raise UserError(f"--topology={topology} is unknown; give {FORMS}")
    name, count = KINDS[match.group(1)], match.group(2)
    if not any(_is_installed(plugin) for plugin in _PLUGINS):
        raise UserError(
            f"--topology={topology} needs JAX's CUDA plugin, which holds the compiler for GPUs and "
            "needs no GPU itself: pip install --editable '.[train,cuda]' in the checkout (Linux)"
        )
    jax.config.update("jax_platforms", "cpu")
    limits = peak(name)
    config = _HOPPER.format(
        name=name, bandwidth=round(limits.memory_bandwidth), memory=limits.memory
    )
    shape = f"1x1x{count}"  # partitions, hosts of a partition, devices of a host
    try:
        return topologies.get_topology_desc(
            match.group(1), "cuda", target_config=config, topology=shape
        ).devices
    except (NotImplementedError, jax.errors.JaxRuntimeError) as error:
        raise UserError(
            f"--topology={topology} needs the CUDA plugin that belongs to JAX {jax.__version__}, "
            f"and the one that is installed does not answer: {error}"
        ) from error


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is not there either
        return False
