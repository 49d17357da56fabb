"""What a method does between epochs: when, on what, and that a resume repeats it."""

import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.dataset_shape import shape_of
from jcl.errors import UserError
from jcl.evaluation.at_epoch import make_at_epoch
from jcl.experiment import make_experiment
from jcl.methods.simclr import SimCLR
from jcl.runtime.metrics import read_metrics
from jcl.train import train as train_binary
from tests.binaries import untimed
from tests.methods import contract
from tests.tiny import one_device

SEEN = []  # projections and keys of all calls
BEFORE = {"centre": jnp.zeros(8), "epoch": jnp.full((), -1)}


@dataclasses.dataclass(frozen=True)
class Centred(SimCLR):
    """Keeps the mean projection of all examples, and draws embeddings towards it."""

    def init(self, key, views, data):
        return super().init(key, views, data)._replace(method_state=BEFORE)

    def objective(self, variables, embeddings, batch, clock, key, mesh):
        outcome = super().objective(variables, embeddings, batch, clock, key, mesh)
        centre, epoch = (variables.method_state[key] for key in ("centre", "epoch"))
        away = jnp.square(embeddings - centre).mean()
        metrics = {**outcome.metrics, "epoch": epoch, "expected_epoch": clock.epoch}
        return outcome._replace(loss=outcome.loss + away, metrics=metrics)

    def at_epoch(self, variables, epoch):
        projection = epoch.outputs("projection")
        SEEN.append((projection, epoch.key))
        centre = projection.mean(0) + 0.01 * jax.random.normal(epoch.key, (8,))
        return variables._replace(
            method_state={"centre": centre, "epoch": jnp.full((), epoch.number)}
        )


@dataclasses.dataclass(frozen=True)
class Wrong(Centred):
    """Forgets a part."""

    def at_epoch(self, variables, epoch):
        return variables._replace(method_state={})


def config(name="Centred"):
    made = contract.make_config("simclr")
    made.method = {"name": f"{__name__}:{name}"}
    made.data = {"name": "tests.methods.contract:split"}
    made.total_steps, made.log_every_steps = 7, 1
    made.checkpoint.every_steps, made.checkpoint.keep = 1, 9
    return made


def run(workdir):
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train_binary(config(), workdir, accept_config_changes=False)


@pytest.mark.slow
def test_it_comes_before_each_epoch_and_again_where_a_run_resumes(tmp_path):
    straight = tmp_path / "straight"
    run(straight)
    lines = read_metrics(straight)
    assert [line["epoch"] for line in lines] == [0, 0, 0, 1, 1, 1, 2]
    assert [line["expected_epoch"] for line in lines] == [0, 0, 0, 1, 1, 1, 2]
    for newest in (3, 5):  # between two epochs, and within one
        workdir = shutil.copytree(straight, tmp_path / f"from {newest}")
        for step in range(newest + 1, 8):
            shutil.rmtree(workdir / "checkpoints" / str(step))
        run(workdir)
        assert untimed(read_metrics(workdir)) == untimed(lines)


def test_the_outputs_are_those_of_all_examples_in_their_order():
    source = contract.source()
    experiment = make_experiment(config(), shape_of(source))
    at_epoch = make_at_epoch(experiment, source, one_device())
    state, calls = experiment.init_state(one_device()), []
    after = at_epoch(state, 3, lambda: calls.append(1))
    images = jnp.asarray(source.arrays["image"]) / 255
    expected = experiment.method.outputs(state.probed, {"image": images})["projection"]
    projection, key = SEEN[-1]
    np.testing.assert_allclose(projection, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected, axis=0).min() > 1e-3  # so the order shows
    centre = expected.mean(0) + 0.01 * jax.random.normal(key, (8,))
    np.testing.assert_allclose(after.method_state["centre"], centre, rtol=1e-4, atol=1e-6)
    assert int(after.method_state["epoch"]) == 1
    assert calls
    assert at_epoch(state, 4, lambda: None) is state


def test_variables_of_another_structure_are_refused():
    source = contract.source()
    experiment = make_experiment(config("Wrong"), shape_of(source))
    at_epoch = make_at_epoch(experiment, source, one_device())
    with pytest.raises(UserError, match="at_epoch returned variables of another structure"):
        at_epoch(experiment.init_state(one_device()), 0, lambda: None)
