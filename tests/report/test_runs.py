"""`python -m jcl.runs`: what state runs are in, which is best, and where they differ."""

import json
import os
import socket
import time

import pytest

from jcl import config as config_lib
from jcl.errors import UserError
from jcl.report.columns import MISSING
from jcl.report.state import State, state_of
from jcl.runs import list_runs, main
from jcl.runtime import workdir as workdir_lib

NOW = time.time()
HERE = f"process {os.getpid()} on {socket.gethostname()}\n"
NOBODY = f"process {2**22 + 1} on {socket.gethostname()}\n"  # above the largest number of a process
ELSEWHERE = "process 1 on another\n"


def beat(workdir, process=0, *, step, doing, of=10, age=1.0, lock=HERE):
    (workdir / "heartbeats").mkdir(parents=True, exist_ok=True)
    told = {"step": step, "of": of, "doing": doing, "since": NOW - age, "written": NOW - age}
    (workdir / f"heartbeats/{process}.json").write_text(json.dumps(told))
    (workdir / "lock").write_text(lock)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"step": 10, "doing": "ended"}, "done"),
        ({"step": 6, "doing": "ended"}, "stopped"),
        ({"step": 6, "doing": "ended", "of": None}, "done"),
        ({"step": 6, "doing": "step"}, "alive"),
        ({"step": 6, "doing": "step", "age": 1000.0}, "dead"),
        ({"step": 6, "doing": "step", "lock": NOBODY}, "dead"),
        ({"step": 6, "doing": "step", "lock": ELSEWHERE}, "alive"),
    ],
)
def test_state(told, name, tmp_path):
    beat(tmp_path, **told)
    found = state_of(tmp_path, logged_steps=5, now=NOW)
    assert found.name == name
    assert found.of == told.get("of", 10)


def test_one_process_of_two_is_enough_to_be_alive(tmp_path):
    beat(tmp_path, 0, step=6, doing="step", age=1000.0)
    beat(tmp_path, 1, step=6, doing="step")
    assert state_of(tmp_path, logged_steps=5, now=NOW) == State("alive", 5, 10)


def test_a_process_that_an_earlier_launch_had_does_not_count(tmp_path):
    beat(tmp_path, 1, step=6, doing="step", age=2000.0)
    beat(tmp_path, 0, step=10, doing="ended", age=1000.0)
    assert state_of(tmp_path, logged_steps=10, now=NOW).name == "dead"
    (tmp_path / "run.json").write_text('{"processes": 1}')
    assert state_of(tmp_path, logged_steps=10, now=NOW) == State("done", 10, 10)


def test_without_a_heartbeat(tmp_path):
    assert state_of(tmp_path, logged_steps=0) == State("new", 0, None)
    assert state_of(tmp_path, logged_steps=3) == State("dead", 3, None)


def run(folder, seed, top1, rate):
    config = config_lib.base()
    config.seed, config.optimizer.learning_rate = seed, rate
    folder.mkdir(parents=True)
    workdir_lib.write_config(folder, config)
    beat(folder, step=10, doing="ended")
    if top1 is not None:
        scores = {"knn": {"top1": top1}, "linear": {"top1": 1 - top1}}
        (folder / "results.json").write_text(json.dumps({"step": 10, **scores}))


def rows(table):
    return list(zip(*(list(column.cells) for column in table.columns), strict=True))


def test_runs_by_a_score(tmp_path):
    run(tmp_path / "a", 0, 0.5, 0.1)
    run(tmp_path / "b", 1, 0.75, 0.2)
    run(tmp_path / "c", 0, None, 0.2)
    table = list_runs([tmp_path])
    assert [row[3].rpartition("/")[2] for row in rows(table)] == ["b", "a", "c"]
    state, step, score, _, differs = rows(table)[0]
    assert (state, step, score) == ("done", "10 of 10", "75.0")
    assert differs == "optimizer.learning_rate=0.2, seed=1"
    by_linear = rows(list_runs([tmp_path], "linear"))
    assert [row[2] for row in by_linear] == ["50.0", "25.0", MISSING]


def test_mistakes_are_one_sentence(tmp_path, capsys):
    with pytest.raises(UserError, match="no workdir found"):
        list_runs([tmp_path])
    run(tmp_path / "a", 0, None, 0.1)
    assert main([str(tmp_path), "--by=linear"]) == 2
    assert capsys.readouterr().err == "error: --by='linear' is given, but no run was evaluated\n"
    assert main([str(tmp_path)]) == 0
    assert "done" in capsys.readouterr().out
    (tmp_path / "a/results.json").write_text(
        '{"step": 10}'
    )  # of data without labels and test split
    assert main([str(tmp_path)]) == 0
