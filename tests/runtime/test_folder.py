"""jcl/runtime/folder.py: where a workdir may lie."""

from pathlib import Path

import pytest
from etils.epath import backend, gpath

from jcl.errors import UserError
from jcl.evaluation.results import results_file, write_results
from jcl.probes.plots import loss_curve
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import absolute, folder_at, is_remote, local_folder
from jcl.runtime.lock import only_run_in
from jcl.runtime.metrics import Report, read_metrics
from jcl.runtime.watchdog import Watchdog
from tests.binaries import run, says_one_sentence
from tests.tiny import tiny_config


def test_a_path_stays_and_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert folder_at("runs/a") == Path("runs/a")
    assert folder_at("~/runs/a") == Path("/home/somebody/runs/a")
    assert folder_at("/a:b/c") == Path("/a:b/c")
    assert absolute(folder_at("/a")) == Path("/a")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://bucket/run", "mount the bucket"),
        ("file:///data/run", "give the path alone, /data/run"),
        ("hdfs://node/run", "mount that storage"),
        ("https://host/run", "mount that storage"),
        ("gs:/bucket/run", "write gs://BUCKET/FOLDER"),
        ("S3://bucket/run", "mount the bucket"),
    ],
)
def test_other_addresses_are_refused_with_what_to_do(address, says):
    with pytest.raises(UserError, match=f"{address} is an address and not a folder.*{says}"):
        folder_at(address)


def test_google_storage_keeps_its_address():
    folder = folder_at("gs://bucket/runs")
    assert is_remote(folder)
    assert str(absolute(folder) / "config.json") == "gs://bucket/runs/config.json"
    assert not is_remote(folder_at("bucket/runs"))
    with pytest.raises(UserError, match="a folder of this machine is needed"):
        local_folder("gs://bucket/runs")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a variable of the shell unset"),
        ("$NOWHERE/run", r"names \$NOWHERE, which is not set"),
        ("~nobody-there/run", "no such user"),
        ("C:\\runs\\a", "a path of Windows"),
    ],
)
def test_what_would_become_a_strange_folder_is_refused(text, says, monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(UserError, match=says):
        folder_at(text)


def test_variables_that_are_set_are_expanded_and_names_with_a_dollar_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    assert folder_at("$SCRATCH/run") == folder_at("${SCRATCH}/run") == Path("/scratch/me/run")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "$SCRATCH").mkdir()
    assert folder_at("$SCRATCH") == Path("$SCRATCH")


@pytest.fixture
def google(tmp_path, monkeypatch):
    """Has etils take a folder of this machine for gs://bucket; Orbax would not."""

    class Local(type(backend.os_backend)):
        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name.startswith("_"):
                return found
            return lambda *paths, **options: found(*map(local, paths), **options)

    def local(path):
        return str(path).replace("gs://bucket", str(tmp_path))

    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "gs", Local())
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    return folder_at("gs://bucket/run"), tmp_path / "run"


def test_all_but_checkpoints_is_written_and_read_through_etils(google, monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    workdir, local = google
    workdir_lib.create(workdir)
    assert list(local.iterdir()) == []
    config = tiny_config()
    workdir_lib.write_config(workdir, config)
    workdir_lib.write_run(workdir, start_step=0, origin=None, options={"a": 1}, data={"b": 2})
    assert workdir_lib.read_options(workdir) == {"a": 1}
    assert workdir_lib.read_data(workdir) == {"b": 2}
    assert workdir_lib.read_config(workdir).to_dict() == config.to_dict()
    with only_run_in(workdir):  # there are no locks
        pass
    values = {"loss": 1.0, "step_seconds": 1.0, "examples_per_second": 1.0}
    for start, steps in ((0, (1, 2)), (1, (2, 3))):  # the second launch resumes at step 1
        report = Report(workdir, config, start_step=start, total_steps=3)
        for step in steps:
            report.write(step, values, batch_hash="x")
        report.sync(step)
        assert [line["step"] for line in read_metrics(workdir)] == list(range(1, steps[-1] + 1))
        report.close()
    Watchdog(workdir, process=0, processes=1, total_steps=1, limit_seconds=1.0).close()
    write_results(results_file(workdir, "-5"), {"step": 5})
    loss_curve([1, 2], [3.0, 2.0], workdir / "figures" / "loss.png")
    assert sorted(str(path.relative_to(local)) for path in local.rglob("*") if path.is_file()) == [
        "config.json",
        "figures/loss.png",
        "heartbeats/0.json",
        "metrics.jsonl",
        "results-5.json",
        "run.json",
    ]
    assert (local / "figures" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_storage_that_cannot_be_written_is_named_at_the_first_write(monkeypatch):
    def fails(*arguments, **options):
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr("fsspec.filesystem", fails)
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)
    with pytest.raises(UserError, match=r"gs://nobody/run cannot be written: .*gcsfs"):
        workdir_lib.create(folder_at("gs://nobody/run"))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["jcl.train", "jcl.evaluate"])
def test_binaries_refuse_before_anything_else(module, tmp_path):
    config = ["--config=configs/simclr_shapes.py"] if module == "jcl.train" else []
    done = run(module, *config, "--workdir=s3://bucket/run")
    says_one_sentence(done, "--workdir=s3://bucket/run", "mount the bucket")
    assert done.returncode == 2
