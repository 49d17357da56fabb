"""What a run says of its speed, its memory and its trace."""

import json
import sys
import textwrap

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.runtime.meter import Meter
from jcl.runtime.metrics import read_metrics
from jcl.train import train
from tests.test_train import shapes_config


@pytest.fixture
def clock(monkeypatch):
    """Seconds that only pass when the test says so."""
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def sleep(seconds):
        now[0] += seconds

    return sleep


def test_what_is_part_of_a_step_and_what_is_not(clock):
    meter = Meter(examples=32, step_bytes=3 * 2**30, flops=6e9, peak_flops=12e9)
    for _ in range(4):
        with meter.waiting():
            clock(0.5)
        clock(1.5)
        meter.count_step()
    with meter.aside("checkpoint"):
        clock(7.0)
    with meter.aside("probe"):
        clock(30.0)
    values = meter.read()
    assert values.pop("step_memory_gib") == 3
    assert values == {
        "step_seconds": 2.0,
        "data_wait_seconds": 0.5,
        "checkpoint_stall_seconds": 7.0,
        "examples_per_second": 16.0,
        "flops_per_second": 3e9,
        "mfu": 0.25,
    }
    # A reading starts anew.
    clock(1.0)
    meter.count_step()
    assert meter.read()["step_seconds"] == 1.0


def test_what_is_not_known_is_not_said(clock):
    meter = Meter(examples=1, step_bytes=0, flops=None, peak_flops=1e9)
    clock(1.0)
    meter.count_step()
    assert not {"mfu", "flops_per_second"} & set(meter.read())


WANDB = """
import json, os, pathlib
def init(**given):
    return Run(pathlib.Path(given["dir"], "logged.jsonl"), given)
class Run:
    def __init__(self, path, given):
        self.path = path
        self._write({key: given[key] for key in ("project", "id", "resume")})
    def _write(self, line):
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\\n")
    def log(self, values, step):
        self._write({"step": step, **values})
    def finish(self):
        self._write("finished")
"""


@pytest.mark.slow
def test_a_run_tells_weights_and_biases_jsonl_and_a_profiler(tmp_path, monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    (tmp_path / "wandb.py").write_text(textwrap.dedent(WANDB))
    monkeypatch.syspath_prepend(tmp_path)
    workdir = tmp_path / "run"
    overrides = {
        "wandb.project": "shapes",
        "profile.steps": (3, 4),
        "peak_flops": 1e12,
        "checkpoint.every_steps": 4,
        "probe.every_steps": 6,
    }
    train(shapes_config(total_steps=6, **overrides), workdir, accept_config_changes=False)

    lines = read_metrics(workdir)
    assert all(line["checkpoint_stall_seconds"] == 0 for line in lines if line["step"] != 5)
    assert lines[4]["checkpoint_stall_seconds"] > 0
    devices = len(json.loads((workdir / "run.json").read_text())["devices"])
    for line in lines:
        np.testing.assert_allclose(
            line["mfu"], line["flops_per_second"] / (1e12 * devices), rtol=1e-9
        )
        assert line["step_memory_gib"] > 0

    first, *logged, last = map(json.loads, (workdir / "logged.jsonl").read_text().splitlines())
    assert first == {
        "project": "shapes",
        "id": (workdir / "wandb_id").read_text().strip(),
        "resume": "allow",
    }
    assert last == "finished"
    scores = [line for line in logged if "loss" not in line]
    assert [line.keys() for line in scores] == [
        {"step", name} for name in ("effective_rank", "spread", "knn_top1")
    ]
    assert {line["step"] for line in scores} == {6}
    assert [line["loss"] for line in logged if "loss" in line] == [line["loss"] for line in lines]
    assert list(workdir.glob("profile/plugins/profile/*/*.xplane.pb"))


def test_weights_and_biases_that_is_not_installed_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = shapes_config(**{"wandb.project": "shapes"})
    with pytest.raises(UserError, match="wandb is not installed"):
        train(config, tmp_path / "run", accept_config_changes=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("steps", [(0, 3), (5, 4), (1,), (1.5, 2)])
def test_steps_that_cannot_be_traced(steps, tmp_path):
    with pytest.raises(UserError, match=r"profile\.steps"):
        train(shapes_config(**{"profile.steps": steps}), tmp_path, accept_config_changes=False)
