"""A roofline estimate of the time of a step, from its operations and memory traffic."""

import dataclasses

from jcl.cost.devices import Peak


@dataclasses.dataclass(frozen=True)
class Roofline:
    """An estimate that assumes that all resources work at their peak at the same time.

    Every byte that an operation accesses counts as device memory traffic, even if it is in a cache.
    Bytes that are sent are spread over all links. Latency is ignored.

    Source: Williams et al. 2009, "Roofline: An Insightful Visual Performance Model".

    Attributes:
        compute_seconds: for the matrix products and convolutions, in bfloat16.
        memory_seconds: for the bytes accessed.
        interconnect_seconds: for the bytes sent.
        step_seconds: the longest of the three.
        views_per_second: over all devices.
        mfu: model FLOPs utilisation, a share of the peak in [0, 1].
    """

    compute_seconds: float
    memory_seconds: float
    interconnect_seconds: float
    step_seconds: float
    views_per_second: float
    mfu: float


def make_roofline(
    limits: Peak,
    *,
    flops: float,
    model_flops: float,
    bytes_accessed: float,
    bytes_sent: float,
    views: int,
) -> Roofline:
    """Divides the work of one device in a step by the device's peaks.

    Args:
        limits: of the device.
        flops: of matrix products and convolutions, including recomputed ones.
        model_flops: without recomputed ones.
        bytes_accessed: by all operations.
        bytes_sent: to other devices.
        views: number of views per step, over all devices.
    """
    compute = flops / limits.flops
    memory = bytes_accessed / limits.memory_bandwidth
    interconnect = bytes_sent / limits.interconnect
    step = max(compute, memory, interconnect)
    return Roofline(
        compute_seconds=compute,
        memory_seconds=memory,
        interconnect_seconds=interconnect,
        step_seconds=step,
        views_per_second=views / step,
        mfu=model_flops / limits.flops / step,
    )
