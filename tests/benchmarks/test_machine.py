"""What `benchmarks/machine.sh` printed, made a report; and that it fits into its time."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.report import HEAD, TITLES, report
from tests import on_a_gpu
from tests.binaries import ROOT

# Two calls on two CPU cores, many other jobs beside them; the second had the binary alone.
RECORDED = Path(__file__).with_name("recorded_machine")
SCRIPT = (ROOT / "benchmarks/machine.sh").read_text()
REPORTS = sorted((ROOT / "benchmarks/reports").glob("*.md"))


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(RECORDED, tmp_path / "out"))


def test_a_report_has_all_that_was_measured():
    made = report(RECORDED)
    logs = list(RECORDED.glob("*.log"))
    assert len(logs) == len(re.findall("^## ", made, re.M)) >= 8
    for log in logs:
        assert TITLES[log.stem] in made
        for line in log.read_text().splitlines():
            is_progress = re.search("%]$|^bringing up nodes", line)
            assert is_progress or line.rstrip() in made, line
    assert "/work" not in made
    assert "/tmp" not in made


def test_a_table_stays_a_table(folder):
    (folder / "parts.tsv").write_text("losses\t0\t7\t60\tpython -m benchmarks.losses\n")
    table = "| a |\n|---|\n| 1 |"
    (folder / "losses.log").write_text(f"cpu\n\n{table}\n\nsee {folder}/run\n....s [ 50%]\n")
    section = report(folder).partition("\n## ")[2]
    assert section == (
        "Losses, value and gradient\n\n`python -m benchmarks.losses`: 7 s.\n\n"
        f"```text\ncpu\n```\n\n{table}\n\n```text\nsee OUT/run\n```"
    )


def test_what_was_cut_off_or_failed_says_so(folder):
    (folder / "parts.tsv").write_text("losses\t124\t60\t60\tA\nprobed\t2\t3\t60\tB\n")
    (folder / "losses.err").touch()
    (folder / "probed.err").write_text("a warning\nerror: no such workdir\n")
    made = report(folder)
    assert "`A`: cut off at its limit of 60 s; what follows is what it had by then." in made
    assert "`B`: failed with status 2 after 3 s." in made
    assert "`error: no such workdir`" in made
    assert "a warning" not in made


def test_reports_begin_alike():
    begins_as_a_report(report(RECORDED))
    for path in REPORTS:
        last_day = begins_as_a_report(path.read_text())
        assert path.name.startswith(last_day)


def begins_as_a_report(text):
    day = r"\d{4}-\d\d-\d\d"
    lines = text.splitlines()
    assert re.fullmatch(rf"# .+, {day}( to {day})?", lines[0])
    assert lines[1:4] == ["", "| | |", "|---|---|"]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines[4 : 5 + len(HEAD)]]
    assert rows == [*HEAD.values(), "Made by"]
    return re.findall(day, lines[0])[-1]


def test_the_page_of_results_has_all_reports():
    text = (ROOT / "benchmarks/RESULTS.md").read_text()
    assert len(REPORTS) >= 2
    for path in REPORTS:
        assert f"](reports/{path.name})" in text


def test_the_parts_fit_into_the_time():
    shares = {}
    for name, share in re.findall(r"(?:part|run) (\w+) (\d+) ", SCRIPT):
        shares[name] = max(int(share), shares.get(name, 0))
    assert shares.keys() == TITLES.keys()
    beside = shares.pop("resumed") + shares.pop("probed")
    assert beside <= shares["tests"]
    del shares["step_shapes"]  # of a CPU, in place of the two larger ones
    assert sum(shares.values()) <= 100
    assert 'seconds="${2:-480}"' in SCRIPT


def test_tests_of_meshes_are_left_out_on_one_gpu():
    names = (
        "test_float32[random]",
        "test_meshes_match_the_formula[8]",
        "test_errors_in_one_sentence",
    )
    items = [SimpleNamespace(name=name) for name in names]
    told = []
    hook = SimpleNamespace(pytest_deselected=lambda items: told.extend(items))
    all_items = list(items)
    on_a_gpu.pytest_collection_modifyitems(SimpleNamespace(hook=hook), items)
    assert [item.name for item in items] == ["test_float32[random]"]
    assert told == all_items[1:]


@pytest.mark.slow
def test_tests_are_found_where_they_run_on_one_gpu():
    variables = {key: x for key, x in os.environ.items() if key != "JAX_NUM_CPU_DEVICES"}
    files = re.findall(r"tests/losses/test_\w+\.py", SCRIPT)
    options = ("-p", "tests.on_a_gpu", "-p", "no:cacheprovider", "-o", "addopts=", "--collect-only")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-q", "-m", "not slow", *files],
        cwd=ROOT,
        env={**variables, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-3000:]
    assert len(files) == 5
    assert all(f"{file}::" in found.stdout for file in files)
    assert "[8]" not in found.stdout  # meshes
