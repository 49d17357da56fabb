"""Methods that cluster all examples between epochs: a killed run goes on bit for bit."""

import shutil

import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.runtime.metrics import read_metrics
from jcl.train import train
from jcl.training.checkpoint import read_variables
from tests.binaries import untimed
from tests.methods import contract
from tests.tiny import assert_same_bits


def tailed(split):
    """The contract's examples, of which the first class has most."""
    del split
    arrays = contract.source().arrays
    label = np.repeat(np.arange(4, dtype=np.int32), (30, 10, 4, 4))
    return InMemorySource({**arrays, "label": label}, n_classes=4)


def config(name):
    made = contract.make_config(name)
    made.data = {"name": f"{__name__}:tailed"}
    made.total_steps, made.log_every_steps = 7, 1
    made.checkpoint.every_steps, made.checkpoint.keep = 1, 9
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sbcl", "pamc"])
def test_a_run_that_resumes_clusters_as_it_did(name, tmp_path, monkeypatch):
    # TensorFlow takes long to import.
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    straight = tmp_path / "straight"
    train(config(name), straight, accept_config_changes=False)
    lines, (expected, _) = read_metrics(straight), read_variables(straight, 7)
    clusters = [read_variables(straight, k)[0].method_state["clusters"] for k in (1, 3, 4, 7)]
    assert (clusters[1] == clusters[0]).all()  # of the first epoch
    assert (clusters[2] != clusters[1]).any()  # made before the second
    assert (clusters[3] != clusters[2]).any()
    assert np.ptp(clusters[3]) > 0
    for newest in (3, 5):  # between two epochs, and within one
        workdir = shutil.copytree(straight, tmp_path / f"from {newest}")
        for step in range(newest + 1, 8):
            shutil.rmtree(workdir / "checkpoints" / str(step))
        train(config(name), workdir, accept_config_changes=False)
        assert untimed(read_metrics(workdir)) == untimed(lines)
        assert_same_bits(read_variables(workdir, 7)[0], expected)
