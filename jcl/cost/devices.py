"""Peak performance of accelerators, as published by their makers."""

import dataclasses

import jax


@dataclasses.dataclass(frozen=True)
class Peak:
    """The limits of one device, as JAX counts devices.

    Attributes:
        flops: floating point operations per second of dense bfloat16 matrix products.
        memory_bandwidth: bytes per second between the device and its memory.
        memory: bytes of memory.
        interconnect: bytes per second that the device can send to other devices of its slice or
            server, over all links together. Makers publish the sum of both directions; this is half
            of the sum.
    """

    flops: float
    memory_bandwidth: float
    memory: int
    interconnect: float


# By `jax.Device.device_kind`. Chips whose two cores JAX shows as one device count as one.
_PEAKS = {
    # https://cloud.google.com/tpu/docs/v4
    "TPU v4": Peak(275e12, 1228e9, 32 * 2**30, 300e9),
    # https://cloud.google.com/tpu/docs/v5e, which calls 16 GiB 16 GB
    "TPU v5 lite": Peak(197e12, 819e9, 16 * 2**30, 200e9),
    # https://cloud.google.com/tpu/docs/v5p
    "TPU v5": Peak(459e12, 2765e9, 95 * 2**30, 600e9),
    # https://cloud.google.com/tpu/docs/v6e
    "TPU v6 lite": Peak(918e12, 1638e9, 32 * 2**30, 400e9),
    # NVIDIA's data sheets "A100 Tensor Core GPU", "H100 Tensor Core GPU", "H200 Tensor Core GPU":
    # half of the value for tensor cores "with sparsity", and half of NVLink's bandwidth.
    "NVIDIA A100-SXM4-40GB": Peak(312e12, 1555e9, 40 * 10**9, 300e9),
    "NVIDIA A100-SXM4-80GB": Peak(312e12, 2039e9, 80 * 10**9, 300e9),
    "NVIDIA H100 80GB HBM3": Peak(989e12, 3350e9, 80 * 10**9, 450e9),
    "NVIDIA H200": Peak(989e12, 4800e9, 141 * 10**9, 450e9),
}
# Another name of the same device.
_PEAKS["TPU v5e"] = _PEAKS["TPU v5 lite"]
_PEAKS["TPU v5p"] = _PEAKS["TPU v5"]
_PEAKS["TPU v6e"] = _PEAKS["TPU v6 lite"]


def peak(device_kind: str) -> Peak | None:
    """The limits of a device; None for one that is not in the table, such as a CPU.

    Args:
        device_kind: as in `jax.Device.device_kind`.
    """
    return _PEAKS.get(device_kind)


def memory_limit(device: jax.Device) -> int | None:
    """Bytes that programs may use on a device; None if it is not known, as on a CPU.

    JAX uses 75% of a GPU by default. For a device that is not present it is the whole memory.
    """
    try:
        stats = device.memory_stats()
    except jax.errors.JaxRuntimeError:  # a device of a topology
        stats = None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    limits = peak(device.device_kind)
    return limits and limits.memory
