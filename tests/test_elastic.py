"""A run that changes its devices at every restart: the same curve, the same end."""

import contextlib

import jax
import numpy as np
import pytest

import jcl.train
from jcl.mesh import make_mesh
from jcl.runtime.metrics import read_metrics
from jcl.runtime.preemption import Preempted
from jcl.training.checkpoint import read_model
from tests.tiny import largest_difference, tiny_config

# Where each leg runs, (data, fsdp); a notice ends each but the last after three steps.
LEGS = [(1, 1), (8, 1), (2, 1), (2, 4), (4, 1), (1, 8)]
LAST = (2, 2)


def config():
    return tiny_config(
        precision="float64",
        total_steps=21,
        fsdp_min_size=1,
        **{
            "data.train_examples": 64,
            "data.test_examples": 32,
            "checkpoint.every_steps": 100,
            "optimizer.weight_ema": 0.9,
            "method.name": "sogclr",  # keeps a table of examples, which is split too
        },
    )


def train_on(mesh_size, workdir, monkeypatch, *, steps=None):
    """Runs the binary's `train` on the first devices, with a notice after that many steps."""
    devices = jax.devices()[: mesh_size[0] * mesh_size[1]]

    @contextlib.contextmanager
    def notice():
        yield lambda step: step == steps

    with monkeypatch.context() as patch:
        patch.setattr("jcl.train.make_mesh", lambda **_: make_mesh(*mesh_size, devices=devices))
        patch.setattr("jcl.runtime.preemption.notice", notice)
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        jcl.train.train(config(), workdir, accept_config_changes=False)


@pytest.mark.slow
def test_every_restart_on_another_mesh_continues_the_same_curve(tmp_path, monkeypatch):
    with jax.enable_x64(True):
        train_on((1, 1), tmp_path / "straight", monkeypatch)
        for leg, mesh_size in enumerate(LEGS, 1):
            with pytest.raises(Preempted, match=f"step {3 * leg} is saved"):
                train_on(mesh_size, tmp_path / "moved", monkeypatch, steps=3)
        train_on(LAST, tmp_path / "moved", monkeypatch)

        straight, moved = (read_metrics(tmp_path / name) for name in ("straight", "moved"))
        assert [line["batch_hash"] for line in moved] == [line["batch_hash"] for line in straight]
        losses = np.array([[line["loss"] for line in lines] for lines in (straight, moved)])
        assert np.ptp(losses[0]) > 0.05
        np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-9)
        models = [read_model(tmp_path / name)[0] for name in ("straight", "moved")]
        assert largest_difference(*models) < 1e-9
