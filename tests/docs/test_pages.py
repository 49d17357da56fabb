"""What the pages say a user can type: it can be typed, and it runs."""

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jcl.methods import METHODS
from launch.grid import Run, resolve
from tests.binaries import TINY, environment
from tests.docs.pages import PAGES, ROOT, STEPS, Step, steps
from tests.test_configs import NAMES as CONFIGS

COMMANDS = [step for step in STEPS if step.words]
# Run by a test of its own.
RUN_ELSEWHERE = {"launch/environment.sh", "launch/slurm_local.sh"}
FULL_SIZE = "configs/simclr_imagenet.py"


def config_file(words) -> str | None:
    given = [word.removeprefix("--config=") for word in words if word.startswith("--config=")]
    return given[0] if given else None


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_at_most_one_command_in_ten_is_not_run():
    assert len(COMMANDS) > 30
    assert sum(step.reason is not None for step in COMMANDS) <= len(COMMANDS) / 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("step", COMMANDS, ids=str)
def test_a_command_names_what_is_there(step):
    words = [word for word in step.words if not re.fullmatch(r"[A-Z_]+=\S+", word)]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets)
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2])
    elif words[0] == "python" and words[1] != "-c":
        assert (ROOT / words[1]).exists()
    elif words[0].startswith(("launch/", "benchmarks/")):
        assert (ROOT / words[0]).exists()
    else:
        assert words[0] in ("python", "pip")
    if file := config_file(words):
        given = dict(w.removeprefix("--config.").split("=", 1) for w in words if "--config." in w)
        resolve(Run("a page", given), file)


def test_which_loss_names_methods_and_forgets_none():
    text = (ROOT / "docs/which_loss.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    named = set(re.findall(r"`(\w+)`", " ".join("|".join(row.split("|")[2:4]) for row in rows)))
    assert named <= set(METHODS)
    assert set(METHODS) == set(re.findall(r"`(\w+)`", text)) & set(METHODS)


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    assert "nt_xent" in (tmp_path / "api/losses.html").read_text()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder like a checkout in which the quickstart has run, short, with a user's photos."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("jcl", "configs", "launch", "tests", "benchmarks", "docs"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    for number, (split, name) in enumerate((s, c) for s in ("train", "test") for c in "ab"):
        place = folder / "photos" / split / name
        place.mkdir(parents=True)
        for index in range(24):
            colour = (40 * number, 10 * index, 200)
            Image.new("RGB", (28, 28), colour).save(place / f"{index}.png")
    for name in ("a.jpg", "b.png"):
        Image.new("RGB", (40, 36), (10, 90, 200)).save(folder / name)
    quickstart = "--config=configs/simclr_shapes.py", "--workdir=runs/quickstart"
    for module, *more in (("jcl.train", *quickstart, *TINY), ("jcl.evaluate", quickstart[1])):
        run([sys.executable, "-m", module, *more], folder)
    return folder


def run(words, folder, **more):
    variables = {**environment(), "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=folder, env={**variables, **more}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def shortened(words) -> list[str]:
    """The same command, with few steps of small networks where it says nothing else."""
    file = config_file(words)
    if file is None or "jcl.report" in words:
        return list(words)
    given = {word.partition("=")[0] for word in words}
    grids = {w.partition("=")[0] for flag, w in itertools.pairwise(words) if "grid" in flag}
    short = list(TINY)
    if file.startswith(FULL_SIZE):
        short = [word for word in short if ".widths" not in word and ".data." not in word]
        short += ["--config.encoder.name=resnet18", "--config.views.size=32"]
    elif "shapes" not in file:
        short = [word for word in short if ".data." not in word]
        if "convnet" not in (ROOT / file.partition(":")[0]).read_text():
            short = [word for word in short if ".widths" not in word]
    short = [w.replace("total_steps=40", "total_steps=6") for w in short]
    if grids:  # the largest batch of the page, and one seed
        short = [w.replace("train_examples=64", "train_examples=256") for w in short]
        words = [word for word in words if not word.startswith("--seeds=")]
    if any(word.startswith("--topology=") for word in words):
        short = [w.replace("batch_size=16", "batch_size=256") for w in short]
    kept = [
        word
        for word in short
        if word.partition("=")[0] not in given
        and word.removeprefix("--config.").partition("=")[0] not in grids
    ]
    return [*words, *kept]


RUN = [p for p in PAGES if any(s.reason is None for s in steps(p))]


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run_in_its_order(page, checkout):
    shutil.rmtree(checkout / "data", ignore_errors=True)  # two pages make the same dataset
    (checkout / "data").mkdir()
    for step in steps(page):
        if step.reason is None:
            run_step(step, checkout)


def run_step(step: Step, folder) -> None:
    """Runs a step; data of `make` have stand-ins, on which tests/test_configs.py takes a step."""
    if step.made:
        file = config_file(step.words)
        assert file is None or Path(file.partition(":")[0]).stem in CONFIGS
        return
    if step.program:
        images = "import numpy as np\nimages = np.zeros((2, 32, 32, 3), np.uint8)\n"
        run([sys.executable, "-c", images + step.program], folder)
        return
    variables = dict(w.split("=", 1) for w in step.words if re.fullmatch(r"[A-Z_]+=\S+", w))
    words = [word for word in step.words if word not in {f"{k}={v}" for k, v in variables.items()}]
    if words[0] in RUN_ELSEWHERE:
        return
    run(
        [sys.executable if word == "python" else word for word in shortened(words)],
        folder,
        **variables,
    )
