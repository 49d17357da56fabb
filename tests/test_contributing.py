"""The worked examples of CONTRIBUTING.md: extracted, and run by the commands beside them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.mesh import make_mesh
from tests.binaries import TINY, command, environment
from tests.losses.engine_example_formulas import alignment_uniformity

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (lab/\w+\.py)\n(.*?)```", TEXT, re.DOTALL))
COMMANDS = [
    shlex.split(block.replace("\\\n", " "))
    for block in re.findall(r"^    (python -m jcl\.(?:train|evaluate)(?:.*\\\n)*.*)$", TEXT, re.M)
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder that looks like a checkout with the examples in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("jcl", "configs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab").mkdir()
    for name, source in EXAMPLES.items():
        (folder / name).write_text(source)
    return folder


def test_all_six_kinds_have_an_example_and_a_command():
    assert len(EXAMPLES) == 6
    for name in EXAMPLES:
        module = name.removesuffix(".py").replace("/", ".")
        assert any(f"{module}:" in word for words in COMMANDS for word in words)


def test_examples_are_formatted_like_the_rest(checkout):
    for tool in (["format", "--check"], ["check", "--ignore=D"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *tool, "--config", ROOT / "pyproject.toml", "lab"],
            cwd=checkout,
            check=True,
        )


@pytest.mark.parametrize("devices", [None, 8])
def test_the_objective_computes_its_formula(devices, checkout):
    namespace = {}
    exec(EXAMPLES["lab/align_uniform.py"], namespace)
    z0, z1 = np.random.RandomState(0).randn(2, 16, 5)
    mesh = None if devices is None else make_mesh(devices=jax.devices()[:devices])
    ours = namespace["align_uniform"](
        jnp.float32(z0), jnp.float32(z1), t=2.0, mesh=mesh, block_size=3
    )
    np.testing.assert_allclose(ours, alignment_uniformity(z0, z1, 1.0, 2.0), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: f"{words[2]} {words[-1]}")
def test_commands_run_as_they_stand_but_shorter(words, checkout):
    given = {word.partition("=")[0] for word in words}
    shorter = [word for word in TINY if word.partition("=")[0] not in given]
    _, _, module, *arguments = words
    if module == "jcl.evaluate":
        shorter = []
    if "--config.data.name=lab.captioned:captioned" in words:
        shorter = [word for word in shorter if "_examples" not in word]
    if "--config.encoder.name=lab.patches:Patches" in words:
        shorter = [word for word in shorter if "encoder." not in word]
    done = subprocess.run(
        command(module, *arguments, *shorter),
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
