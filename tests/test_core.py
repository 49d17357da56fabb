"""The losses as a library: they need the core dependencies of pyproject.toml and nothing else."""

import functools
import importlib.metadata
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# The example in the docstring of `nt_xent`.
LOSS = """
import jax.numpy as jnp
from jcl.losses import nt_xent
z0 = jnp.array([[1.0, 0.0], [0.0, 1.0]])
print(round(float(nt_xent(z0, z0, temperature=1.0)), 4))
"""

BLOCK = """
import sys
class Blocked:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"{{name}} is not of the core", name=name)
sys.meta_path.insert(0, Blocked)
"""


def with_dependencies(requirements: list[str]) -> set[str]:
    """Distributions that pip installs for some requirements, by what is installed here."""
    found, waiting = set(), [Requirement(r) for r in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += map(Requirement, importlib.metadata.requires(name) or ())
    return found


@functools.cache
def core() -> set[str]:
    return with_dependencies(PROJECT["dependencies"]) | {"jcl"}


def names_outside_of_the_core() -> set[str]:
    """Top-level modules and packages of all other distributions that are installed here."""
    return {
        name
        for name, distributions in importlib.metadata.packages_distributions().items()
        if not core() & set(map(canonicalize_name, distributions))
    }


def run_with_the_core_alone(program: str) -> subprocess.CompletedProcess:
    block = BLOCK.format(names=sorted(names_outside_of_the_core()))
    return subprocess.run(
        [sys.executable, "-c", block + program], cwd=ROOT, capture_output=True, text=True
    )


def test_the_core_is_what_it_says():
    assert PROJECT["dependencies"] == ["jax", "jaxtyping", "numpy"]
    assert {"optax", "flax", "ml_collections", "absl"} <= names_outside_of_the_core()


def test_losses_need_the_core_alone():
    result = run_with_the_core_alone(LOSS)
    assert result.stdout == "0.5514\n", result.stderr


def test_training_needs_more_than_the_core():
    result = run_with_the_core_alone("import jcl.train")
    assert "is not of the core" in result.stderr


INSTALLED = """
import importlib.metadata, importlib.resources, importlib.util, json
import jcl
print(json.dumps({
    "absent": [n for n in ("optax", "flax", "ml_collections") if not importlib.util.find_spec(n)],
    "distributions": [d.name for d in importlib.metadata.distributions()],
    "versions": [jcl.__version__, importlib.metadata.version("jcl")],
    "typed": importlib.resources.files("jcl").joinpath("py.typed").is_file(),
    "path": jcl.__file__,
}))
"""


@pytest.mark.slow
def test_an_environment_that_has_the_core_alone(tmp_path):
    checkout, python = tmp_path / "checkout", tmp_path / "venv" / "bin" / "python"
    # Not the checkout itself, because a build leaves files where it runs.
    shutil.copytree(ROOT / "jcl", checkout / "jcl", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)

    def run(*command):
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        return result.stdout

    run(sys.executable, "-m", "venv", tmp_path / "venv")
    quiet = "--quiet", "--disable-pip-version-check"
    run(python, "-m", "pip", "install", *quiet, "--constraint", ROOT / "constraints.txt", checkout)

    assert run(python, "-I", "-c", LOSS) == "0.5514\n"
    found = json.loads(run(python, "-I", "-c", INSTALLED))
    assert found["path"].startswith(str(tmp_path / "venv"))
    assert found["absent"] == ["optax", "flax", "ml_collections"]
    names = set(map(canonicalize_name, found["distributions"]))
    assert names - {"pip", "setuptools"} == core()
    assert found["versions"][0] == found["versions"][1]
    assert found["typed"]
