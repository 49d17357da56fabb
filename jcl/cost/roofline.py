"""The least time that a step can take, from what it computes and moves."""

import dataclasses

from jcl.cost.devices import Peak


@dataclasses.dataclass(frozen=True)
class Roofline:
    """An estimate that assumes each resource at its peak and all of them busy at once.

    Every byte that an operation accesses counts as one of the device's memory, whether a cache has
    it or not, and every byte sent as spread over all links; latency counts for nothing.

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
    """Divides what one device does in a step by what it can do in a second.

    Args:
        limits: of the device.
        flops: of matrix products and convolutions, recomputed ones among them.
        model_flops: without recomputed ones.
        bytes_accessed: by all operations.
        bytes_sent: to other devices.
        views: that a step embeds, over all devices.
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
