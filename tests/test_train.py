"""`jcl.train.train` in this process: resume, config changes, bad numbers, periodic probes."""

import json
import shutil

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.runtime.metrics import read_metrics
from jcl.train import train
from jcl.training.checkpoint import read_model
from tests.binaries import untimed
from tests.tiny import assert_same_bits, tiny_config


@pytest.fixture(autouse=True)
def without_tensorboard(monkeypatch):
    """TensorFlow takes longer to import than all of this; tests of the binaries have it."""
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)


def shapes_config(**overrides):
    return tiny_config(
        **{
            "total_steps": 12,
            "data.train_examples": 64,
            "data.test_examples": 32,
            "checkpoint.every_steps": 4,
            "checkpoint.keep": 5,
            **overrides,
        }
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("straight") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train(shapes_config(), workdir, accept_config_changes=False)
    return workdir


def test_a_torn_line_and_lines_past_the_checkpoint_are_dropped(straight, tmp_path):
    workdir = tmp_path / "run"
    train(shapes_config(), workdir, accept_config_changes=False)
    (workdir / "checkpoints" / "12").rename(tmp_path / "12")
    with open(workdir / "metrics.jsonl", "a") as file:
        file.write('{"step": 13, "loss": 1.0}\n{"step": 14, "lo')
    train(shapes_config(), workdir, accept_config_changes=False)
    assert untimed(read_metrics(workdir)) == untimed(read_metrics(straight))
    assert_same_bits(read_model(workdir)[0], read_model(straight)[0])


def test_a_broken_newest_checkpoint_is_recomputed(straight, tmp_path):
    workdir = tmp_path / "run"
    train(shapes_config(), workdir, accept_config_changes=False)
    for file in (workdir / "checkpoints" / "12" / "model").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:10])
    train(shapes_config(), workdir, accept_config_changes=False)
    assert (workdir / "checkpoints" / "corrupt-12").is_dir()
    assert untimed(read_metrics(workdir)) == untimed(read_metrics(straight))
    assert_same_bits(read_model(workdir)[0], read_model(straight)[0])


def test_a_changed_config_needs_acceptance(straight, tmp_path, caplog):
    workdir = tmp_path / "run"
    train(shapes_config(), workdir, accept_config_changes=False)
    longer = shapes_config(total_steps=14)
    with pytest.raises(UserError, match="total_steps: 12 -> 14"):
        train(longer, workdir, accept_config_changes=False)
    train(longer, workdir, accept_config_changes=True)
    assert "accepted change total_steps: 12 -> 14" in caplog.text
    lines = read_metrics(workdir)
    assert [line["step"] for line in lines] == list(range(1, 15))
    assert untimed(lines[:12]) == untimed(read_metrics(straight))


def test_bad_numbers_stop_the_run_and_the_last_checkpoint_is_good(tmp_path):
    workdir = tmp_path / "run"
    config = shapes_config(
        **{
            "optimizer.learning_rate": 1e37,  # the norm of the parameters overflows soon
            "optimizer.warmup_steps": 12,
            "checkpoint.every_steps": 1,
        }
    )
    with pytest.raises(UserError, match=r"at step \d+; the last good .* nothing was overwritten"):
        train(config, workdir, accept_config_changes=False)
    model, step = read_model(workdir)
    assert step == max(line["step"] for line in read_metrics(workdir))
    assert all(np.isfinite(leaf).all() for leaf in model["params"]["projector"]["dense0"].values())


def test_periodic_knn_keeps_the_best_beside_the_newest(tmp_path, monkeypatch):
    scores = iter([0.9, 0.1, 0.2])
    seen = []

    def knn_top1(*features, **settings):
        seen.append((features[0].shape, features[2].shape, settings["k"]))
        return {"top1": next(scores)}

    told = []
    monkeypatch.setattr("jcl.evaluation.periodic.knn_top1", knn_top1)
    monkeypatch.setattr(
        "jcl.runtime.metrics.Report.write_score", lambda self, *score: told.append(score)
    )
    config = shapes_config(**{"probe.every_steps": 4, "checkpoint.keep": 1, "probe.knn_k": 7})
    train(config, tmp_path / "run", accept_config_changes=False)
    assert seen == [((64, 8), (32, 8), 7)] * 3
    ranks = [score[1:] for score in told if score[1] == "effective_rank"]
    assert len(ranks) == 3
    assert all(1 <= rank <= 8 for _, rank in ranks)
    kept = sorted(int(p.name) for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == [4, 12]


def test_a_run_that_starts_from_another_begins_with_its_networks(straight, tmp_path):
    """With the encoder frozen, what it took is still there at the end, bit for bit."""
    workdir = tmp_path / "run"
    config = shapes_config(
        total_steps=2,
        seed=5,
        init_from=(("encoder", str(straight)),),
        init_step=8,
        frozen=("encoder/",),
    )
    train(config, workdir, accept_config_changes=False)
    taken, _ = read_model(straight, 8)
    ended, _ = read_model(workdir)
    assert_same_bits(ended["params"]["encoder"], taken["params"]["encoder"])
    origin = json.loads((workdir / "run.json").read_text())["init_from"]
    assert origin == [{"workdir": str(straight), "step": 8, "part": "encoder"}]
    # A second launch finds its own checkpoint and does not need the other run any more.
    config.init_from = str(tmp_path / "gone")
    config.total_steps = 3
    train(config, workdir, accept_config_changes=True)
    ended, step = read_model(workdir)
    assert step == 3
    assert_same_bits(ended["params"]["encoder"], taken["params"]["encoder"])


def test_a_run_killed_before_its_first_checkpoint_takes_the_same_networks_again(straight, tmp_path):
    source, workdir = tmp_path / "source", tmp_path / "run"
    shutil.copytree(straight, source)
    shutil.rmtree(source / "checkpoints" / "12")
    config = shapes_config(total_steps=1, init_from=str(source))
    train(config, workdir, accept_config_changes=False)
    first = read_model(workdir)[0]
    # The source goes on, and the new run loses all it had.
    shutil.copytree(straight / "checkpoints" / "12", source / "checkpoints" / "12")
    shutil.rmtree(workdir / "checkpoints")
    train(config, workdir, accept_config_changes=False)
    assert_same_bits(read_model(workdir)[0], first)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"batch_size": 128}, "128.*64"),
        ({"mesh.data": 3}, "mesh.data=3"),
        ({"method.name": "moco"}, "'moco' is unknown.*simclr, dcl"),
        ({"method.temperature": -1.0}, r"method\.temperature=-1\.0 is impossible"),
    ],
)
def test_mistakes_leave_no_workdir(overrides, says, tmp_path):
    with pytest.raises(UserError, match=says):
        train(shapes_config(**overrides), tmp_path / "run", accept_config_changes=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_changed_data_need_acceptance_and_older_runs_have_no_record(tmp_path, caplog):
    workdir, archive = tmp_path / "run", tmp_path / "data.npz"
    random = np.random.RandomState(0)
    image = random.randint(0, 256, (64, 8, 8, 3), np.uint8)

    def save(image):
        np.savez(archive, train_image=image, train_label=np.arange(len(image)) % 4)

    def go_on(**options):
        config = tiny_config(**{"total_steps": 2, "views.name": "weak"})
        config.data = {"name": f"arrays:{archive}"}
        train(config, workdir, **options)

    save(image)
    go_on(accept_config_changes=False)
    save(image[:48])
    with pytest.raises(UserError, match=r"other data; .*number of examples: 64 -> 48\)"):
        go_on(accept_config_changes=False)
    image[0] ^= 1
    save(image)
    with pytest.raises(UserError, match=r"other data; .*image of some of 16 examples"):
        go_on(accept_config_changes=False)
    go_on(accept_config_changes=True)
    assert "accepted change data, image of some" in caplog.text
    go_on(accept_config_changes=False)  # they are the run's own now
    run = json.loads((workdir / "run.json").read_text())
    del run["data"]
    (workdir / "run.json").write_text(json.dumps(run))
    save(image[:48])
    go_on(accept_config_changes=False)
