"""What is said where a device runs out of memory."""

import subprocess
import sys

import jax
import pytest

from jcl.cost.memory import out_of_memory
from tests.binaries import ROOT, environment

EXHAUSTED = jax.errors.JaxRuntimeError(
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9.5GiB.\nA page of details"
)


@pytest.mark.parametrize(("backend", "says_share"), [("gpu", True), ("cpu", False)])
def test_one_sentence_with_what_to_do(backend, says_share, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    sentence = out_of_memory(EXHAUSTED)
    assert "9.5GiB" in sentence
    assert "smaller batch" in sentence
    assert "\n" not in sentence
    assert ("XLA_PYTHON_CLIENT_MEM_FRACTION" in sentence) == says_share


def test_other_errors_are_left_alone():
    assert out_of_memory(jax.errors.JaxRuntimeError("INTERNAL: a kernel failed")) is None
    assert out_of_memory(ValueError("RESOURCE_EXHAUSTED, says a user")) is None


@pytest.mark.slow
def test_a_binary_ends_with_the_sentence():
    program = (
        "import jax\nfrom jcl.runtime import cli\n"
        "def main(argv):\n    raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: no room')\n"
        "cli.run(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: a device has too little memory left (RESOURCE_EXHAUSTED")
    assert "Traceback" not in done.stderr
