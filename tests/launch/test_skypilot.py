"""launch/skypilot.yaml through SkyPilot's own loader, and its `run` with stand-in nodes.

SkyPilot wants other versions of some packages than jcl, so it has an environment of its own,
`.venv/skypilot`, which `make test-slow` makes. No cloud has run the file.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.binaries import ROOT

FILE = ROOT / "launch" / "skypilot.yaml"
PYTHON = Path(os.environ.get("SKYPILOT_PYTHON", ROOT / ".venv" / "skypilot" / "bin" / "python"))
LOAD = """
import json, sys
import sky
task = sky.Task.from_yaml(sys.argv[1])
[resources] = task.resources
print(json.dumps({
    "nodes": task.num_nodes,
    "accelerators": resources.accelerators,
    "spot": resources.use_spot,
    "recovery": resources.job_recovery,
    "envs": task.envs,
    "storage": {path: [s.name, s.mode.value] for path, s in task.storage_mounts.items()},
    "setup": task.setup,
    "run": task.run,
}))
"""


def load(file, home):
    if not PYTHON.exists():
        pytest.skip(f"SkyPilot is not installed: {PYTHON} is missing (`make test-slow` makes it)")
    return subprocess.run(
        [PYTHON, "-c", LOAD, file],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_skypilot_loads_it(tmp_path):
    done = load(FILE, tmp_path)
    assert done.returncode == 0, done.stderr
    task = json.loads(done.stdout.splitlines()[-1])
    assert task["nodes"] == 2
    assert task["accelerators"] == {"H100": 8}
    assert task["spot"]
    recovery = {name: value for name, value in task["recovery"].items() if value is not None}
    assert recovery == {"recover_on_exit_codes": [75], "max_restarts_on_errors": 3}
    [(path, (_, mode))] = task["storage"].items()
    assert mode == "MOUNT"
    assert task["envs"]["WORKDIR"].startswith(f"{path}/")
    for script in task["setup"], task["run"]:
        subprocess.run(("bash", "-n", "-c", script), check=True)


@pytest.mark.slow
def test_skypilot_refuses_another(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(FILE.read_text().replace("num_nodes:", "nodes:"))
    done = load(broken, tmp_path)
    assert done.returncode != 0
    assert "nodes" in done.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_every_node_knows_its_place(rank, tmp_path):
    """Runs `run` as SkyPilot does, with a stand-in for Python."""
    task = yaml.safe_load(FILE.read_text())
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/usr/bin/env bash\nprintf '%s\\n' \"$@\"\nexit 75\n")
    python.chmod(0o755)
    nodes = {
        "SKYPILOT_NODE_IPS": "10.0.0.7\n10.0.0.9",
        "SKYPILOT_NUM_NODES": "2",
        "SKYPILOT_NODE_RANK": str(rank),
    }
    done = subprocess.run(
        ("bash", "-c", task["run"]),
        cwd=tmp_path,
        env={**os.environ, **task["envs"], **nodes},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 75
    assert done.stdout.splitlines() == [
        "-m",
        "jcl.train",
        f"--config={task['envs']['CONFIG']}",
        f"--workdir={task['envs']['WORKDIR']}",
        "--coordinator=10.0.0.7:8476",
        "--processes=2",
        f"--process={rank}",
    ]
