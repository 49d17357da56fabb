"""The table of peaks against JAX's own, which has no interconnects, and no GPUs."""

from unittest.mock import Mock

import jax
import pytest
from jax.experimental.pallas import tpu

from jcl.cost.devices import Peak, memory_limit, peak
from jcl.cost.memory import check_memory
from jcl.cost.roofline import make_roofline
from jcl.errors import UserError

CORES = {"TPU v4": 2, "TPU v5 lite": 1, "TPU v5": 2, "TPU v6 lite": 1}
VERSIONS = {
    "TPU v4": tpu.ChipVersion.TPU_V4,
    "TPU v5 lite": tpu.ChipVersion.TPU_V5E,
    "TPU v5": tpu.ChipVersion.TPU_V5P,
    "TPU v6 lite": tpu.ChipVersion.TPU_V6E,
}


@pytest.mark.parametrize("kind", CORES)
def test_tpus_are_as_jax_has_them(kind):
    core = tpu.get_tpu_info_for_chip(VERSIONS[kind], CORES[kind])  # of one core
    ours = peak(kind)
    assert ours.flops == pytest.approx(CORES[kind] * core.bf16_ops_per_second, rel=0.01)
    # Of v5p JAX has 2,460 GB/s, the published figure is 2,765.
    bandwidth = CORES[kind] * core.mem_bw_bytes_per_second
    assert ours.memory_bandwidth == pytest.approx(bandwidth, rel=0.15)
    assert ours.memory == pytest.approx(CORES[kind] * core.hbm_capacity_bytes, rel=0.03)
    # Chips are further from each other than from their memory.
    assert 0.05 < ours.interconnect / ours.memory_bandwidth < 0.3


def test_other_names_and_unknown_devices():
    assert peak("TPU v5e") == peak("TPU v5 lite") != peak("TPU v5p")
    assert peak(jax.devices()[0].device_kind) is None
    assert peak("NVIDIA H200").memory > peak("NVIDIA H100 80GB HBM3").memory


@pytest.fixture
def card():
    """Stands in for a GPU, of whose memory JAX takes a share."""
    device = Mock(spec=jax.Device, platform="gpu", device_kind="NVIDIA H100 80GB HBM3")
    device.memory_stats.return_value = {"bytes_limit": 60 * 2**30}
    return device


def test_a_step_that_does_not_fit_is_told_before_it_runs(card):
    assert memory_limit(card) == 60 * 2**30
    check_memory(60 * 2**30, card)
    with pytest.raises(UserError, match=r"needs 61.0 GiB .* 60.0 GiB for it: more microbatches"):
        check_memory(61 * 2**30, card)
    card.memory_stats.side_effect = jax.errors.JaxRuntimeError("it is of a topology")
    assert memory_limit(card) == peak(card.device_kind).memory
    assert memory_limit(jax.devices()[0]) is None  # nobody knows
    check_memory(2**50, jax.devices()[0])


def test_the_slowest_resource_sets_the_time():
    limits = Peak(flops=100.0, memory_bandwidth=10.0, memory=1, interconnect=2.0)
    work = {"flops": 300.0, "model_flops": 200.0, "bytes_accessed": 40.0, "bytes_sent": 6.0}
    times = make_roofline(limits, **work, views=12)
    assert (times.compute_seconds, times.memory_seconds, times.interconnect_seconds) == (3, 4, 3)
    assert (times.step_seconds, times.views_per_second, times.mfu) == (4, 3, 0.5)
