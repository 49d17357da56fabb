"""Environments: what is missing is a sentence, pip is called where it must be, versions fit."""

import re
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from tests.binaries import ROOT

PYTHONS = "3.11", "3.12", "3.13", "3.14"


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def python(path, first):
    """A Python that executes `first` before programs it is given, and lists calls of modules."""
    log = path.with_suffix(".calls")
    return executable(
        path,
        f'if [ "$1" = -c ]; then exec {sys.executable} -c "import sys; {first}; $2"; fi\n'
        f'echo "$@" >> {log}',
    )


def calls(python):
    log = python.with_suffix(".calls")
    return log.read_text().splitlines() if log.exists() else []


def make(folder, *asked_for, extras="train"):
    return subprocess.run(
        [ROOT / "launch/environment.sh", folder, extras, *asked_for],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("sys.version_info = (3, 10, 2)", "is Python 3.10, but jcl needs Python 3.11 or newer"),
        ("sys.modules['ensurepip'] = None", r"apt-get install python3\.\d+-venv"),
        ("sys.exit(127)", "does not run: apt-get install python3-venv"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(tmp_path, first, says):
    done = make(tmp_path / "environment", python(tmp_path / "python", first))
    assert done.returncode == 2
    assert re.search(f"^error: .*{says}.*$", done.stderr, re.M), done.stderr
    assert not (tmp_path / "environment").exists()


def test_an_environment_of_another_python_is_not_taken_for_the_one_asked_for(tmp_path):
    python(tmp_path / "environment/bin/python", "pass")
    done = make(tmp_path / "environment", python(tmp_path / "python", "sys.version_info = (3, 42)"))
    assert done.returncode == 2
    assert "delete" in done.stderr


def test_an_environment_without_pip_is_made_anew(tmp_path):
    executable(tmp_path / "environment/bin/python", "exit 1")
    new = python(tmp_path / "python", "pass")
    make(tmp_path / "environment", new)
    assert calls(new) == [f"-m venv {tmp_path / 'environment'}"]


def test_pip_is_called_once_after_a_line_that_says_so(tmp_path):
    found = python(tmp_path / "environment/bin/python", "pass")
    first, second = make(tmp_path / "environment"), make(tmp_path / "environment")
    assert first.returncode == second.returncode == 0, first.stderr
    assert "Installing" in first.stdout
    assert second.stdout == ""
    installs = [call for call in calls(found) if call.startswith("-m pip install")]
    assert len(installs) == 1
    assert "--constraint constraints.txt --editable .[train]" in installs[0]


def test_an_extra_that_is_not_there_yet_is_installed_beside_the_others(tmp_path):
    found = python(tmp_path / "environment/bin/python", "pass")
    for extras in ("train,dev", "cuda,train", "dev"):
        assert make(tmp_path / "environment", extras=extras).returncode == 0
    installs = [call for call in calls(found) if call.startswith("-m pip install")]
    assert [call.split("--editable ")[1] for call in installs] == [
        ".[train,dev]",
        ".[train,dev,cuda]",
    ]


@pytest.mark.parametrize("version", PYTHONS)
def test_every_package_has_one_version(version):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    marked = {"python_version": version}
    names = [r.name for r in found if r.marker is None or r.marker.evaluate(marked)]
    assert len(names) == len(set(names))
    assert {r.name for r in found} == set(names)
