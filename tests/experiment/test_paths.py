"""jcl/experiment/paths.py: `~` and relative paths in configs."""

import os

import pytest

from jcl.config.base import FIXED
from jcl.config.options import options
from jcl.experiment import (
    changes_on_resume,
    open_config,
    read_command_line,
    read_run_config,
    resolved_options,
)
from jcl.experiment.paths import paths_of
from jcl.runtime.workdir import write_config, write_run
from tests.tiny import tiny_config


def config(**data):
    new = tiny_config(**{"init_from": "runs/first", **data.pop("run", {})})
    new.data = data
    return new


def saved(workdir, config):
    write_config(workdir, config)
    options = resolved_options(open_config(config))
    write_run(workdir, start_step=0, origin=None, options=options, data={})


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Where a run is started, where it is looked at, and its workdir."""
    names = "started", "here", "workdir"
    for name in names:
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "started")
    return [tmp_path / name for name in names]


def test_home_is_expanded_in_all_paths_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    pairs = (("encoder", "~/runs/a"), ("projector", "runs/b"))
    opened = open_config(
        config(name="arrays:~/data/x.npz", run={"init_from": pairs, "frozen": ("~",)})
    )
    assert opened.data.name == "arrays:/home/somebody/data/x.npz"
    assert opened.init_from == (("encoder", "/home/somebody/runs/a"), ("projector", "runs/b"))
    assert opened.frozen == ("~",)
    assert open_config(config(name="tfds:a", dir="~/d")).data.dir == "/home/somebody/d"
    argv = ["train", "--config.data.dir=~/other", "--config.init_from=~/runs/c"]
    opened, _, _ = read_command_line(config(name="tfds:a"), argv)
    assert (opened.data.dir, opened.init_from) == ("/home/somebody/other", "/home/somebody/runs/c")
    assert options(FIXED["teacher"])["workdir"].is_path


def test_what_are_paths():
    assert paths_of(open_config(config(name="tfds:a", dir="d"))) == {
        "init_from": "runs/first",
        "data.dir": "d",
    }
    files = {"subset": "s.npz", "groups": "g.npz", "tokenizer": "t.json"}
    found = paths_of(open_config(config(name="arrays:x.npz", **files)))
    assert found.keys() >= {"data.name", "data.subset", "data.groups", "data.tokenizer"}
    assert paths_of(open_config(tiny_config())) == {}


def test_relative_paths_are_seen_from_where_the_run_was_started(folders, monkeypatch):
    started, here, workdir = folders
    (started / "x.npz").touch()
    saved(workdir, config(name="arrays:x.npz"))
    same, lines = read_run_config(workdir)
    assert (same.data.name, lines) == ("arrays:x.npz", [])
    monkeypatch.chdir(here)
    found, lines = read_run_config(workdir)
    assert found.data.name == f"arrays:{started}/x.npz"
    assert found.init_from == f"{started}/runs/first"
    assert (
        f"x.npz of the saved config: {started}/x.npz, seen from where the run was started" in lines
    )
    # A run that was copied with its data from another machine.
    (started / "x.npz").rename(here / "x.npz")
    found, lines = read_run_config(workdir)
    assert found.data.name == f"arrays:{here}/x.npz"
    assert any("as" in line and "has no such thing" in line for line in lines)


def test_addresses_and_absolute_paths_stay(folders, monkeypatch):
    _, here, workdir = folders
    saved(workdir, config(name="arrays:s3://bucket/x.npz", run={"init_from": "/runs/first"}))
    monkeypatch.chdir(here)
    found, lines = read_run_config(workdir)
    assert (found.data.name, found.init_from) == ("arrays:s3://bucket/x.npz", "/runs/first")
    assert lines == []


def test_the_same_file_named_from_elsewhere_is_no_change(folders, monkeypatch):
    started, here, workdir = folders
    saved(workdir, config(name="arrays:x.npz"))
    monkeypatch.chdir(here)

    def changes(name, init_from):
        return changes_on_resume(
            workdir, open_config(config(name=name, run={"init_from": init_from}))
        )

    assert changes(f"arrays:{started}/x.npz", os.path.join("..", "started", "runs", "first")) == []
    assert changes(f"arrays:{here}/x.npz", f"{started}/runs/first") == [
        f"data.name: 'arrays:x.npz' -> 'arrays:{here}/x.npz'"
    ]
