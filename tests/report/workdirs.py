"""Workdirs as training and evaluation leave them, written by hand."""

import json

from jcl import config as config_lib


def write_workdir(folder, results=None, *, losses=(3.0, 2.0), **changes):
    """A workdir as training and evaluation leave it; `changes` are nested config values."""
    config = config_lib.base()
    config_lib.update(config, {"total_steps": 20, **changes})
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(config_lib.to_json(config))
    lines = [
        {"step": 10 * (i + 1), "loss": loss, "step_seconds": 0.5 * (i + 1)}
        for i, loss in enumerate(losses)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if results is not None:
        (folder / "results.json").write_text(json.dumps({"step": 20, **results}))
    return folder


def classes(knn, linear=None):
    scores = {"knn": {"top1": knn}}
    return scores if linear is None else {**scores, "linear": {"top1": linear, "top1_std": 0.5}}
