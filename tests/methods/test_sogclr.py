"""SogCLR's table of estimates: what writes it, what keeps it, against a replay in NumPy."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from jcl.data.dataset_shape import images_of
from jcl.data.order import batch_indices
from jcl.errors import UserError
from jcl.experiment import make_experiment, make_method
from jcl.mesh import make_mesh
from jcl.methods.sogclr import SogCLR
from jcl.runtime.metrics import read_metrics
from jcl.train import train as train_binary
from jcl.training.checkpoint import Checkpoints
from jcl.training.warm_start import warm_start
from tests.binaries import untimed
from tests.tiny import assert_same_bits, one_device, tiny_config, tiny_experiment, train

GAMMA, TEMPERATURE = 0.7, 0.2


def config(**overrides):
    return tiny_config(
        **{
            "total_steps": 8,
            "encoder.name": "mlp",
            "encoder.widths": (16,),
            "projector.hidden_dim": 32,
            "views.name": "tests.tiny:mirrored",
            "method.name": "sogclr",
            "method.gamma": GAMMA,
            **overrides,
        }
    )


@dataclasses.dataclass(frozen=True)
class Watched(SogCLR):
    """Logs the embeddings that the objective gets."""

    def objective(self, variables, embeddings, batch, clock, key, mesh):
        outcome = super().objective(variables, embeddings, batch, clock, key, mesh)
        return outcome._replace(metrics={**outcome.metrics, "embeddings": embeddings})


def two_epochs(mesh):
    """Trains for two epochs of four steps; returns the curve and the table before and after each.

    In float64, for meshes to agree.
    """
    tables = []

    def watch(state):
        table = state.method_state["log_estimates"]
        assert table.sharding.is_fully_replicated
        tables.append(np.array(table))

    with jax.enable_x64(True):
        watched = config(precision="float64", **{"method.name": f"{__name__}:Watched"})
        curve = train(watched, mesh, watch=watch)
    return curve, tables, [batch_indices(t, n=64, batch_size=16, seed=0) for t in range(8)]


@pytest.fixture(scope="module")
def on_one_device():
    return two_epochs(one_device())


def test_a_step_writes_the_rows_of_its_batch_and_no_others(on_one_device):
    _, tables, batches = on_one_device
    np.testing.assert_array_equal(tables[0], np.full(64, -np.inf))
    for before, after, batch in zip(tables[:-1], tables[1:], batches, strict=True):
        in_batch = np.isin(np.arange(64), batch)
        np.testing.assert_array_equal(after[~in_batch], before[~in_batch])
        assert np.isfinite(after[in_batch]).all()
        assert (after[in_batch] != before[in_batch]).all()


def test_two_epochs_of_estimates_against_numpy(on_one_device):
    curve, tables, batches = on_one_device
    u = np.zeros(64)
    for t, batch in enumerate(batches):
        embeddings = curve.metrics[t]["embeddings"]
        z = embeddings / np.linalg.norm(embeddings, axis=2, keepdims=True)
        new, losses = np.empty((2, 16, 2))
        for e, v in np.ndindex(16, 2):
            others = np.delete(z, e, axis=0).reshape(30, -1)
            g = np.exp(others @ z[e, v] / TEMPERATURE).mean()
            old = u[batch[e]]
            new[e, v] = g if old == 0 else (1 - GAMMA) * old + GAMMA * g
            losses[e, v] = TEMPERATURE * np.log(new[e, v]) - z[e, 0] @ z[e, 1]
        u[batch] = new.mean(1)
        np.testing.assert_allclose(curve.losses[t], losses.mean(), rtol=0, atol=1e-11)
        seen = u > 0
        np.testing.assert_allclose(tables[t + 1][seen], np.log(u[seen]), atol=1e-12)
        assert np.isneginf(tables[t + 1][~seen]).all()
        np.testing.assert_allclose(
            curve.metrics[t]["log_estimate"], np.log(u[batch]).mean(), atol=1e-12
        )
    assert seen.all()


def test_the_table_is_the_same_on_a_mesh(on_one_device):
    devices = [jax.devices()[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    curve, tables, _ = two_epochs(make_mesh(4, 2, devices=devices))
    np.testing.assert_allclose(curve.losses, on_one_device[0].losses, rtol=0, atol=1e-9)
    np.testing.assert_allclose(tables, on_one_device[1], rtol=0, atol=1e-9)


RUN = {"data.train_examples": 64, "checkpoint.every_steps": 3, "checkpoint.keep": 5}


def run(workdir):
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train_binary(config(**RUN), workdir, accept_config_changes=False)


def newest(workdir, examples=64):
    experiment = make_experiment(config(**RUN), images_of(32, 32, 3, examples=examples))
    checkpoints = Checkpoints(workdir, keep=5)
    try:
        return checkpoints.restore_newest(experiment.state_shapes(make_mesh())), experiment
    finally:
        checkpoints.close()


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("straight") / "run"
    run(workdir)
    return workdir


def test_a_run_that_lost_its_last_steps_computes_the_same_again(straight, tmp_path):
    workdir = shutil.copytree(straight, tmp_path / "run")
    for step in ("6", "8"):
        shutil.rmtree(workdir / "checkpoints" / step)
    # Step 3 is within the first epoch: a quarter of the examples was not seen yet.
    state, _ = newest(workdir)
    assert np.isneginf(state.method_state["log_estimates"]).sum() == 16
    run(workdir)
    again, expected = newest(workdir)[0], newest(straight)[0]
    assert int(again.step) == 8
    assert np.isfinite(again.method_state["log_estimates"]).all()
    assert_same_bits(again, expected)
    assert untimed(read_metrics(workdir)) == untimed(read_metrics(straight))


def test_the_networks_of_another_run_come_without_its_estimates(straight):
    _, experiment = newest(straight)
    state = experiment.init_state(make_mesh())
    state, _ = warm_start(state, str(straight))
    table = experiment.adopt(state).method_state["log_estimates"]
    np.testing.assert_array_equal(table, np.full(64, -np.inf))


def test_a_dataset_of_another_size_is_an_error(straight):
    with pytest.raises(UserError, match=r"log_estimates is \(\(64,\).* there and \(\(60,\)"):
        newest(straight, examples=60)


def test_gamma_outside_its_range_or_of_another_method_is_refused():
    for gamma in (0.0, 1.1, float("nan")):
        with pytest.raises(UserError, match="more than 0 and at most 1"):
            make_method(tiny_config(**{"method.name": "sogclr", "method.gamma": gamma}))
    make_method(tiny_config(**{"method.name": "sogclr", "method.gamma": 1.0}))
    with pytest.raises(UserError, match=r"method\.gamma=0\.9 is set, .* it takes temperature"):
        tiny_experiment(tiny_config(**{"method.gamma": 0.9}))
