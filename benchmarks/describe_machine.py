"""Which machine this is: `python -m benchmarks.describe_machine FOLDER` writes FOLDER/machine.json.

It prints hopper, gpu, tpu or cpu, by which `benchmarks/machine.sh` chooses what to measure.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import jax

PACKAGES = ("jax", "jaxlib", "flax", "torch", "torchvision", "lightly")


def describe() -> dict[str, str]:
    """What a report's head says, by the names of its rows."""
    device = jax.devices()[0]
    found = {distribution.name for distribution in importlib.metadata.distributions()}
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if name in found]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.date.today().isoformat(),
        "device": f"{jax.device_count()} x {device.device_kind}",
        "driver": _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "host": f"{len(os.sched_getaffinity(0))} CPU cores, {memory:.0f} GiB",
        "software": ", ".join([f"Python {platform.python_version()}", *versions]),
        "jcl": _said("git", "describe", "--always", "--dirty"),
    }


def kind() -> str:
    """hopper, gpu, tpu or cpu."""
    device = jax.devices()[0]
    is_hopper = getattr(device, "compute_capability", None) == "9.0"
    return "hopper" if is_hopper else device.platform


def _said(*command: str) -> str:
    """The first line that a program prints; nothing where it is missing or fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else ""


if __name__ == "__main__":
    Path(sys.argv[1], "machine.json").write_text(json.dumps(describe(), indent=2) + "\n")
    print(kind())
