"""Where numbers go."""

import json

from jcl.runtime import metrics
from jcl.runtime.metrics import MetricsFile, open_tensorboard, read_metrics


def test_reopening_drops_what_is_past_the_step_and_a_torn_line(tmp_path):
    file = MetricsFile(tmp_path, start_step=0)
    for step in (1, 2, 3):
        file.write(step, {"loss": step / 3})
    file.close()
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 4, "loss": 1.0}')  # whole, but for its newline
    file = MetricsFile(tmp_path, start_step=2)
    file.write(3, {"loss": 9.0})
    file.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == read_metrics(tmp_path)
    assert [(x["step"], x["loss"]) for x in read_metrics(tmp_path)] == [
        (1, 1 / 3),
        (2, 2 / 3),
        (3, 9),
    ]


def test_without_tensorflow_the_run_goes_on_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(metrics.importlib.util, "find_spec", lambda name: None)
    assert open_tensorboard(tmp_path) is None
    assert "TensorFlow is not installed" in caplog.text
