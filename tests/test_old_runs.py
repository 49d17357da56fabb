"""Workdirs and command lines of commit ea6a2a0, which today's code goes on with.

`tests/old_runs` holds three workdirs that this commit made, of twelve steps each: the checkpoint of
the sixth alone, and what was logged of all. Their command lines stand in run.json.
"""

import json
import re
import shutil
import subprocess
import sys
import tarfile

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

import jcl
from jcl.config.file import read_config_file
from jcl.errors import UserError
from jcl.experiment import open_config, read_command_line
from jcl.models import ENCODERS
from jcl.models.convnet import ConvNet
from jcl.runtime.metrics import read_metrics
from jcl.runtime.workdir import read_config
from jcl.train import train
from jcl.training.checkpoint import read_model
from tests.binaries import ROOT, environment

COMMIT = "ea6a2a0"
# clipped, averaged, two rates; float64 with a head; a table, a frozen layer, LayerNorm, chunks.
NAMES = ("simclr", "supervised", "sogclr")


@pytest.fixture
def old(tmp_path):
    """Unpacks a workdir."""

    def unpack(name):
        with tarfile.open(ROOT / "tests" / "old_runs" / f"{name}.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        return tmp_path / name

    return unpack


def flags_of(workdir, *, today=True):
    """What the run was started with, but for the workdir."""
    _, *flags = json.loads((workdir / "run.json").read_text())["command_line"]
    flags = [flag for flag in flags if not flag.startswith("--workdir=")]
    if workdir.name == "supervised" and today:  # options that were taken, and did nothing
        flags = [flag for flag in flags if not flag.startswith("--config.projector.")]
    if today:
        groups = r"--config.optimizer.groups=(('encoder', {'scale': \1}),)"
        flags = [re.sub("--config.optimizer.encoder_scale=(.*)", groups, flag) for flag in flags]
    return flags


def config_of(workdir):
    file, *overrides = flags_of(workdir)
    config, rest, _ = read_command_line(read_config_file(file.partition("=")[2]), overrides)
    assert rest == []
    return config


@pytest.fixture(autouse=True)
def one_device_without_tensorboard(monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    make_mesh = jcl.train.make_mesh
    monkeypatch.setattr("jcl.train.make_mesh", lambda **_: make_mesh(devices=jax.devices()[:1]))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_goes_on(name, old, monkeypatch):
    workdir = old(name)
    then, config = read_metrics(workdir), config_of(workdir)
    assert open_config(read_config(workdir)).to_dict() == config.to_dict()
    wide = config.precision == "float64"
    with jax.enable_x64(wide):
        train(config, workdir, accept_config_changes=False)
    now = read_metrics(workdir)
    assert [line["batch_hash"] for line in now] == [line["batch_hash"] for line in then]
    # CPUs and levels of optimisation round in their own ways; `test_..._bit_for_bit` has one CPU.
    np.testing.assert_allclose(
        [line["loss"] for line in now],
        [line["loss"] for line in then],
        rtol=1e-11 if wide else 1e-4,
        atol=0 if wide else 1e-6,
    )


RENAMED = {
    "simclr": {
        "encoder": {
            "Conv_0": "conv_stage0",
            "BatchNorm_1": "batch_norm_stage1",
            "Conv_2": "conv_stage1_block0",
        },
        "projector": {"Dense_0": "dense0", "BatchNorm_0": "batch_norm0", "Dense_1": "dense1"},
    },
    "supervised": {"head": {"Dense_0": "dense"}},
    "sogclr": {"projector": {"LayerNorm_0": "layer_norm0", "LayerNorm_1": "layer_norm1"}},
}


@pytest.mark.parametrize("name", NAMES)
def test_old_parameters_have_new_names_and_the_same_bits(name, old):
    workdir = old(name)
    with jax.enable_x64(True):
        model, step = read_model(workdir)
        folder = workdir.absolute() / "checkpoints" / "6" / "model"
        before = ocp.StandardCheckpointer().restore(folder)
    assert step == 6
    for part, layers in RENAMED[name].items():
        for old_name, new_name in layers.items():
            there, here = before["params"][part][old_name], model["params"][part][new_name]
            assert there.keys() == here.keys()
            for key in there:
                np.testing.assert_array_equal(there[key], here[key])
    kept = [np.asarray(leaf) for leaf in jax.tree.leaves(before)]
    assert sum(leaf.size for leaf in kept) == sum(leaf.size for leaf in jax.tree.leaves(model))


def test_an_old_run_is_opened_in_a_notebook(old):
    features, params = jcl.load(old("simclr"))
    found = features(params, np.zeros((2, 32, 32, 3), np.uint8))
    assert found.shape == (2, 8)
    assert np.isfinite(found).all()


class Gelu(ConvNet):
    """The ConvNet, had its default been changed since."""

    activation: str = "gelu"


def test_a_default_that_changed_in_the_code_is_refused(old, monkeypatch):
    workdir = old("simclr")
    config = config_of(workdir)
    with monkeypatch.context() as patch:
        patch.setitem(ENCODERS, "convnet", f"{__name__}:Gelu")
        with pytest.raises(
            UserError, match=r"another config.*encoder.activation: 'relu' -> 'gelu'"
        ):
            train(config, workdir, accept_config_changes=False)
    config.total_steps = 7
    with pytest.raises(UserError, match=r"\(total_steps: 12 -> 7\)"):
        train(config, workdir, accept_config_changes=False)
    train(config, workdir, accept_config_changes=True)
    # Of a run of today the record of its options is compared.
    with monkeypatch.context() as patch:
        patch.setitem(ENCODERS, "convnet", f"{__name__}:Gelu")
        with pytest.raises(UserError, match=r"\(encoder.activation: 'relu' -> 'gelu'\)"):
            train(config, workdir, accept_config_changes=False)
    train(config, workdir, accept_config_changes=False)


def test_an_option_that_did_nothing_is_refused_by_name(old):
    flags = flags_of(old("supervised"), today=False)
    with pytest.raises(UserError, match=r"projector.hidden_dim=8 is set, .* takes no projector"):
        read_command_line(read_config_file(flags[0].partition("=")[2]), flags[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_goes_on_bit_for_bit(name, old, tmp_path):
    """The old code and today's, each in a process of its own on this machine.

    The old code gets today's losses, because those round otherwise since positives and sums over
    negatives are kept apart. With its own losses it gave the same bits until then.
    """
    archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"commit {COMMIT} is not in this clone")
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    subprocess.run(["tar", "-x", "-C", str(checkout)], input=archive.stdout, check=True)
    shutil.copytree(ROOT / "jcl" / "losses", checkout / "jcl" / "losses", dirs_exist_ok=True)
    workdir = old(name)
    losses = []
    for where, code in (("then", checkout), ("now", ROOT)):
        copy = shutil.copytree(workdir, tmp_path / where / name)
        flags = flags_of(workdir, today=where == "now")
        command = [sys.executable, "-m", "jcl.train", *flags, f"--workdir={copy}"]
        done = subprocess.run(
            command,
            cwd=code,
            env=environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        losses.append([line["loss"] for line in read_metrics(copy)])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12
