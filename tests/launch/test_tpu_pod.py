"""launch/tpu_pod.sh: the commands that it prints are those that it runs, and gcloud takes them.

No TPU has run them here. A stand-in for gcloud and git records the words of each command.
"""

import json
import os
import shlex
import shutil
import subprocess

import pytest

from tests.binaries import ROOT, says_one_sentence

ACTIONS = {
    "create": [],
    "install": [],
    "run": [
        "--config=configs/simclr_imagenet.py:batch=4096",
        "--workdir=/runs/it's one",
        "--config.frozen=('encoder/stem', \"b $HOME\")",
    ],
    "tail": [],
    "delete": [],
}

RECORDER = """#!/usr/bin/env bash
printf '%s\\0' "$(basename "$0")" "$@" >> "$RECORD"
printf '\\n' >> "$RECORD"
"""


def tpu_pod(*arguments, path=None, **variables):
    environment = {**os.environ, **variables}
    if path is not None:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    return subprocess.run(
        [ROOT / "launch" / "tpu_pod.sh", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def printed(action):
    done = tpu_pod("--dry_run", action, *ACTIONS[action])
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def remote(words):
    [command] = [word for word in words if word.startswith("--command=")]
    return command.removeprefix("--command=")


@pytest.fixture
def stand_ins(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    git = shutil.which("git")
    (folder / "gcloud").write_text(RECORDER)
    (folder / "git").write_text(
        RECORDER.replace("printf", f'[[ "$1" == rev-parse ]] && exec {git} "$@"\nprintf', 1)
    )
    for file in folder.iterdir():
        file.chmod(0o755)
    return folder


@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_prints_what_a_run_executes(action, stand_ins, tmp_path):
    record = tmp_path / "record"
    done = tpu_pod(action, *ACTIONS[action], path=stand_ins, RECORD=str(record))
    assert done.returncode == 0, done.stderr
    executed = [line.rstrip("\0").split("\0") for line in record.read_text().splitlines()]
    assert executed
    assert executed == printed(action)


@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run_runs_nothing(action, stand_ins, tmp_path):
    record = tmp_path / "record"
    done = tpu_pod(action, *ACTIONS[action], "--dry_run", path=stand_ins, RECORD=str(record))
    assert done.returncode == 0
    assert done.stdout
    assert not record.exists()


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
@pytest.mark.parametrize("action", ACTIONS)
def test_gcloud_knows_the_commands(action, tmp_path):
    for words in printed(action):
        if words[0] != "gcloud":
            continue
        lint = "gcloud", "meta", "lint-gcloud-commands", f"--command-string={shlex.join(words)}"
        done = subprocess.run(
            lint,
            env={**os.environ, "CLOUDSDK_CONFIG": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        [verdict] = json.loads(done.stdout)
        assert verdict["success"], verdict["error_message"]


def test_every_host_gets_the_arguments_as_given(tmp_path):
    """Runs what `run` sends to the hosts in a home of its own, with a stand-in for Python."""
    [words] = printed("run")
    assert "--worker=all" in words
    python = tmp_path / "jcl" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/usr/bin/env bash\nprintf '%s\\n' \"$@\"\nexit 75\n")
    python.chmod(0o755)
    shell = "bash", "-c", f"{remote(words)} wait"
    subprocess.run(shell, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)}, check=True)
    log = (tmp_path / "train.log").read_text().splitlines()
    assert log == ["-m", "jcl.train", *ACTIONS["run"], "jcl.train ended with status 75"]


def test_what_is_sent_to_hosts_is_a_shell_script():
    for action in ("install", "run", "tail"):
        for words in printed(action):
            if "ssh" in words:
                subprocess.run(("bash", "-n", "-c", remote(words)), check=True)


def test_settings_come_from_the_environment():
    done = tpu_pod("create", "--dry_run", NAME="other", ZONE="a-b", ACCELERATOR="v6e-8")
    assert " create other " in done.stdout
    assert "--zone=a-b" in done.stdout
    assert "--accelerator-type=v6e-8" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), "create, install, run, tail or delete"),
        (("destroy",), "destroy"),
        (("run",), "--workdir"),
        (("delete", "other"), "other"),
    ],
)
def test_bad_input_gets_one_sentence(arguments, part):
    done = tpu_pod(*arguments, "--dry_run")
    says_one_sentence(done, part)
    assert done.returncode == 2
    assert done.stdout == ""
