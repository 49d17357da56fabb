"""Plans for TPUs and GPUs, made on a machine that has none."""

import importlib.util
import json
import sys

import pytest

from jcl.cost.devices import peak
from jcl.cost.topology import topology_devices
from jcl.errors import UserError
from tests.binaries import run, run_ok, says_one_sentence
from tests.tpus import needs_libtpu

needs_cuda_plugin = pytest.mark.skipif(
    importlib.util.find_spec("jax_plugins") is None
    or importlib.util.find_spec("jax_plugins.xla_cuda13") is None,
    reason="JAX's CUDA plugin is missing: jax-cuda13-plugin and jax-cuda13-pjrt, as new as JAX",
)

TINY = (
    "--config=configs/simclr_shapes.py",
    "--compile_only",
    "--config.batch_size=64",
    "--config.data.image_size=16",
    "--config.encoder.widths=(4,8)",
    "--config.projector.hidden_dim=8",
    "--config.projector.output_dim=8",
)


@pytest.mark.slow
@needs_libtpu
def test_a_plan_for_eight_chips(tmp_path):
    chunks = "--config.microbatches=4"
    done = run_ok("jcl.train", *TINY, chunks, "--topology=tpu:v5e:2x4", f"--workdir={tmp_path}")
    written = json.loads((tmp_path / "plan.json").read_text())
    plan = written["plan"]
    assert written["topology"] == "tpu:v5e:2x4"
    assert (plan["devices"], plan["device_kind"]) == (8, "TPU v5 lite")
    assert plan["fits"] is True
    # The networks are in loops over microbatches, whose trips all count.
    assert plan["unknown_loops"] == 0
    assert plan["xla_flops"] > 0.9 * plan["flops"] / 8
    assert plan["flops"] > 1.2 * plan["model_flops"]
    for part in (f"{plan['parameters']:,}", "8 x TPU v5 lite", "fits into 16.0 GiB", "MFU"):
        assert part in done.stdout
    # The gradient is reduced over the mesh, 2 x 7/8 of its bytes, at most once a microbatch; the
    # statistics of BatchNorm are too.
    gradient = 2 * 7 / 8 * 4 * plan["parameters"]
    assert gradient < plan["collective_bytes"]["all-reduce"] < 1.5 * 4 * gradient
    roofline = plan["roofline"]
    assert roofline["memory_seconds"] == pytest.approx(plan["bytes_accessed"] / 819e9)
    assert roofline["step_seconds"] == max(
        roofline[f"{what}_seconds"] for what in ("compute", "memory", "interconnect")
    )


@needs_libtpu
def test_programs_for_tpus_count_as_those_for_cpus(tmp_path):
    """XLA for TPUs writes no trip counts, and matrix products as convolutions."""
    run_ok("tests.counts_worker", str(tmp_path / "counts.json"))
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert counts["gather"]["collective_bytes"] == {"all-gather": 5 * 7 * 16 * 128 * 4}
    flops = counts["products"]["flops"]
    assert flops == pytest.approx(9 * 2 * 256**3, rel=0.03)
    assert flops == pytest.approx(counts["unrolled"]["flops"], rel=0.03)
    # A trip reads two matrices, one of them rounded to bfloat16, and writes one; the loop's state
    # may be copied besides.
    matrix = 256**2 * 4
    assert 2.5 < counts["products"]["bytes"] / (9 * matrix) < 7
    assert 2 < counts["unrolled"]["bytes"] / (9 * matrix) < 4
    assert all(count["unknown_loops"] == 0 for count in counts.values())


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["v5e:2x4", "tpu:v9:2x2", "tpu:v5e:many", "tpu:v5e:8"])
def test_unknown_topologies_end_in_a_sentence(topology):
    done = run("jcl.train", *TINY, f"--topology={topology}")
    says_one_sentence(done, topology, "tpu:v5e:16x16", "v5p")


@pytest.mark.slow
@needs_libtpu
def test_a_step_that_does_not_fit_ends_in_a_sentence():
    done = run("jcl.train", *TINY, "--config.batch_size=16777216", "--topology=tpu:v5e:2x2")
    says_one_sentence(done, "does not fit into the memory of one TPU v5 lite", "microbatches")


@needs_libtpu
def test_an_impossible_shape_ends_in_a_sentence():
    says_one_sentence(run("jcl.train", *TINY, "--topology=tpu:v5e:3x5"), "tpu:v5e:3x5")


@pytest.mark.slow
@needs_cuda_plugin
@pytest.mark.parametrize(("kind", "count"), [("h100", 8), ("h200", 1)])
def test_a_plan_for_gpus(tmp_path, kind, count):
    topology = f"gpu:{kind}:{count}"
    done = run_ok("jcl.train", *TINY, f"--topology={topology}", f"--workdir={tmp_path}")
    written = json.loads((tmp_path / "plan.json").read_text())
    plan = written["plan"]
    assert written["topology"] == topology
    name = {"h100": "NVIDIA H100 80GB HBM3", "h200": "NVIDIA H200"}[kind]
    assert (plan["devices"], plan["device_kind"], plan["fits"]) == (count, name, True)
    assert plan["limit_bytes"] == peak(name).memory
    assert plan["unknown_loops"] == 0
    gradient = 2 * (count - 1) / count * 4 * plan["parameters"]
    sent = plan["collective_bytes"].get("all-reduce", 0)
    assert gradient <= sent <= 1.5 * gradient
    # XLA counts nothing there, so what is known comes from the program's text.
    assert plan["xla_flops"] is plan["bytes_accessed"] is None
    assert plan["memory_bytes"] > plan["argument_bytes"]
    memory_seconds = plan["memory_bytes"] / peak(name).memory_bandwidth
    assert plan["roofline"]["memory_seconds"] == pytest.approx(memory_seconds)
    for part in (f"{count} x {name}", "not told by XLA"):
        assert part in done.stdout


@pytest.mark.parametrize("topology", ["h100:8", "gpu", "gpu:h100", "gpu:h100:9", "gpu:v100:1"])
def test_unknown_gpus_end_in_a_sentence(topology):
    with pytest.raises(UserError, match=rf"--topology={topology} is unknown; .*gpu:h200:8"):
        topology_devices(topology)


def test_without_the_cuda_plugin_there_is_advice(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gpu:h100:8 needs .*'\.\[train,cuda\]'"):
        topology_devices("gpu:h100:8")


def test_a_plugin_that_does_not_answer_ends_in_a_sentence(monkeypatch):
    def fail(*names, **options):
        raise NotImplementedError("topology not implemented for cuda")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", fail)
    with pytest.raises(UserError, match=r"gpu:h200:1 needs the CUDA plugin .* not implemented"):
        topology_devices("gpu:h200:1")


def test_training_on_a_topology_is_refused(tmp_path):
    arguments = (argument for argument in TINY if argument != "--compile_only")
    done = run("jcl.train", *arguments, f"--workdir={tmp_path}", "--topology=tpu:v5e:2x4")
    says_one_sentence(done, "--compile_only")


def test_without_libtpu_there_is_advice(tmp_path, monkeypatch):
    monkeypatch.delenv("TPU_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install --editable '\.\[tpu\]'"):
        topology_devices("tpu:v5e:2x4")
