"""`python -m jcl.report` on workdirs that are written here, with numbers worked out by hand."""

import json
import math
import subprocess
from pathlib import Path

import pytest

from jcl.report.__main__ import main
from jcl.report.columns import step_megabytes, step_milliseconds, training_seconds
from jcl.report.runs import Run, find_workdirs, group_runs, read_run
from tests.binaries import says_one_sentence
from tests.report.workdirs import classes, write_workdir


@pytest.fixture
def study(tmp_path):
    """Batch 64 with two seeds, batch 256 with one of two measured; the fourth run has no results.

    What is free on resume differs as well and must not part the runs.
    """
    root = tmp_path / "study"
    write_workdir(root / "a", classes(0.50, 0.70), batch_size=64, seed=0)
    write_workdir(root / "b", classes(0.60, 0.74), batch_size=64, seed=1, log_every_steps=5)
    write_workdir(root / "deep" / "c", classes(0.65), batch_size=256, mesh={"fsdp": 2})
    write_workdir(root / "deep" / "d", batch_size=256, seed=1)
    (root / "deep" / "d" / "checkpoints" / "config.json").mkdir(parents=True)
    return root


def test_table(study, tmp_path, capsys):
    assert main([str(study), f"--out={tmp_path}/out"]) == 0
    # Of 50 and 60: mean 55, deviation 10 / sqrt 2; 70 and 74: 72, 4 / sqrt 2; 10 x 0.5 + 10 x 1 s.
    table = (
        "| `batch_size` | seeds | kNN top-1, % ↑ | linear top-1, % ↑ | training, s | a step, ms |\n"
        "| --- | --: | --: | --: | --: | --: |\n"
        "| 64 | 2 | 55.0 ± 7.1 | 72.0 ± 2.8 | 15.0 ± 0.0 | 750.0 ± 0.0 |\n"
        "| 256 | 1 | **65.0** | – | 15.0 | 750.0 |\n"  # noqa: RUF001
    )
    said = capsys.readouterr().out
    assert said.startswith(table)
    assert f"{tmp_path}/out/report.md" in said
    text = (tmp_path / "out" / "report.md").read_text()
    assert table in text
    assert "3 of 4 runs have results." in text
    assert f"{study}/deep/d has no results." in text
    assert "`total_steps=20`" in text


def test_what_all_runs_share_is_said_beside_the_table(tmp_path):
    options = {"encoder": {"widths": (4, 8), "blocks": 1}, "method": {"temperature": 0.2}}
    write_workdir(tmp_path / "a", classes(0.5), batch_size=64, **options)
    options["encoder"].pop("blocks")
    write_workdir(tmp_path / "b", classes(0.6), batch_size=64, **options)
    assert main([str(tmp_path), f"--out={tmp_path}/out"]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    for shared in ("batch_size=64", "encoder.widths=(4, 8)", "method.temperature=0.2"):
        assert f"`{shared}`" in text
    assert "| `encoder.blocks` | seeds |" in text


def test_other_probes_are_named(tmp_path, capsys):
    for seed, k in enumerate((20, 20, 5)):
        settings = {
            **{"knn_k": k, "shares": [0.1] * seed, "finetune": seed == 0},
            "finetune_epochs": 20 - seed // 2,
        }
        data = {"name": "shapes", "dir": f"of/{seed}", "test_examples": 5 if seed == 1 else None}
        data["image_range"] = (0.0, 1.0)  # a list in JSON
        results = {**classes(0.5), "settings": settings, "data": data}
        own = {"image_range": data["image_range"]}
        write_workdir(tmp_path / f"{seed}", results, seed=seed, data=own)
    assert main([str(tmp_path), f"--out={tmp_path}/out"]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    others = "probe.knn_k=5, probe.finetune_epochs=19"
    assert f"{tmp_path}/2 was probed with other settings: {others}." in text
    assert text.count("was probed with") == 1
    assert f"{tmp_path}/1 was probed on other data: data.test_examples=5." in text
    assert text.count("was probed on") == 1


def test_columns_can_be_chosen_by_their_titles(study, tmp_path, capsys):
    assert main([str(study), f"--out={tmp_path}/out", "--columns=kNN|^training"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head == "| `batch_size` | seeds | kNN top-1, % ↑ | training, s |"


def test_regression(tmp_path, capsys):
    """Wildcards in paths, intervals of a single run, smaller is better, numbers that are none."""
    ridge = {
        "mae": 7.25,
        "mae_interval": [7.0, 7.5],
        "r2": 0.5,
        "spearman": math.nan,
        "regions": {"many": {"mae": 6.0, "n": 3}, "few": {"mae": 9.0, "n": 1}},
        "low_shot": {"0.01": {"mae": 12.0}, "0.1": {"mae": None}},
    }
    first = {"ridge": ridge, "finetune": {"1.0": {"mae": 5.0}}, "geometry": {"ordinality": 0.25}}
    second = {"ridge": {"mae": 7.0, "r2": 0.5}, "geometry": {"ordinality": -0.5}}
    write_workdir(tmp_path / "1", first, method={"name": "supremix"}, losses=())
    write_workdir(tmp_path / "2", second, method={"name": "simclr"}, losses=())
    assert main([str(tmp_path), f"--out={tmp_path}/out"]) == 0
    assert capsys.readouterr().out.startswith(
        "| `method.name` | seeds | ridge MAE ↓ | ridge R² ↑ | ridge MAE, many-shot ↓ "
        "| ridge MAE, few-shot ↓ | ridge, 1% of labels, MAE ↓ | fine-tuned, 100% of labels, MAE ↓ "
        "| ordinality ↑ |\n"
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |\n"
        "| simclr | 1 | **7.000** | **0.500** | – | – | – | – | -0.500 |\n"  # noqa: RUF001
        "| supremix | 1 | 7.250 [7.000, 7.500] | **0.500** | 6.000 | 9.000 | 12.000 | 5.000 "
        "| **0.250** |\n"
    )
    assert not (tmp_path / "out" / "loss.png").exists()


def test_settings_are_told_apart_by_all_that_matters(tmp_path):
    for seed in (1, 0):
        write_workdir(tmp_path / f"x{seed}", seed=seed, method={"temperature": 0.1})
        write_workdir(tmp_path / f"y{seed}", seed=seed, encoder={"widths": (4, 8)})
        scaled = {"groups": (("encoder", {"scale": 0.1}),)}  # a dict, which is no key of another
        write_workdir(tmp_path / f"u{seed}", seed=seed, optimizer=scaled)
        write_workdir(tmp_path / f"z{seed}", seed=seed)
    groups, remarks = group_runs([read_run(w) for w in find_workdirs([tmp_path])])
    assert remarks == []
    assert [group.label for group in groups] == [
        "defaults",
        "optimizer.groups=(('encoder', {'scale': 0.1}),)",
        "method.temperature=0.1",
        "encoder.widths=(4, 8)",
    ]
    assert [[run.workdir.name for run in group.runs] for group in groups] == [
        ["z0", "z1"],
        ["u0", "u1"],
        ["x0", "x1"],
        ["y0", "y1"],
    ]


def test_runs_of_two_tokenizers_are_two_settings(tmp_path):
    for name in ("a", "b"):
        write_workdir(tmp_path / name, classes(0.5), data={"tokenizer": f"{name}.json"})
    groups, remarks = group_runs([read_run(w) for w in find_workdirs([tmp_path])])
    assert [group.label for group in groups] == ["data.tokenizer=a.json", "data.tokenizer=b.json"]
    assert remarks == []


def test_the_same_run_counts_once_and_this_is_said(tmp_path):
    write_workdir(tmp_path / "a", batch_size=64)
    write_workdir(tmp_path / "b", classes(0.5), batch_size=64)
    write_workdir(tmp_path / "c", classes(0.5), batch_size=64)
    assert main([str(tmp_path), str(tmp_path / "b"), f"--out={tmp_path}/out"]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| 1 | 50.0 | 15.0 |" in text
    assert f"{tmp_path}/a is left out: the same run as {tmp_path}/b." in text
    assert f"{tmp_path}/c is left out: the same run as {tmp_path}/b." in text


def test_results_of_an_earlier_step_are_named(tmp_path):
    run = write_workdir(tmp_path / "a", classes(0.5))
    (run / "results.json").write_text(json.dumps({"step": 10, **classes(0.5)}))
    assert main([str(run), f"--out={tmp_path}/out"]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert f"{run}: results are of step 10, training is at 20 or later." in text


def test_training_time_is_of_all_steps_not_of_the_logged_ones():
    lines = [{"step": 4, "step_seconds": 1.0}, {"step": 5, "step_seconds": 0.25}]
    assert training_seconds(Run(Path(), {}, lines, None)) == 4.25


def test_a_step_has_its_median_time_and_its_memory():
    lines = [{"step": i, "step_seconds": s} for i, s in enumerate((9.0, 0.25, 0.5))]
    lines[-1]["step_memory_gib"] = 0.5
    run = Run(Path(), {}, lines, None)
    assert (step_milliseconds(run), step_megabytes(run)) == (500.0, 512.0)
    nothing = Run(Path(), {}, [], None)
    assert (step_milliseconds(nothing), step_megabytes(nothing)) == (None, None)


def test_keys_that_few_settings_have_stand_behind_the_scores(tmp_path, capsys):
    write_workdir(tmp_path / "a", classes(0.5), method={"name": "simclr", "temperature": 0.2})
    for name in ("byol", "vicreg"):
        write_workdir(tmp_path / name, classes(0.5), method={"name": name})
    assert main([str(tmp_path), f"--out={tmp_path}/out", "--columns=kNN"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert head == "| `method.name` | seeds | kNN top-1, % ↑ | `method.temperature` |"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["{root}/absent"], ["absent", "does not exist"]),
        (["{root}/empty"], ["no workdir", "empty"]),
        (["{root}/foreign"], ["foreign", "vocab_size"]),
        (["{root}/list"], ["list", "cannot be read"]),
        (["{root}/torn"], ["torn", "cannot be read"]),
        (["{root}/drawn"], ["drawn/figures", "cannot be read"]),
        (["{root}/good", "--out={root}/good/config.json"], ["config.json", "cannot be written"]),
        (["{root}/good", "--columns=ridge"], ["--columns", "ridge", "training, s"]),
        (["{root}/good", "--columns=("], ["--columns='('", "regular expression"]),
        ([], ["DIR"]),
        (["{root}/good", "--outt=x"], ["--outt"]),
    ],
)
def test_mistakes_get_a_sentence(arguments, parts, tmp_path, capsys):
    for name, text in (("foreign", '{"vocab_size": 3}'), ("list", "[1]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
    (tmp_path / "empty").mkdir()
    write_workdir(tmp_path / "good", classes(0.5))
    (write_workdir(tmp_path / "torn") / "results.json").write_text('{"step": ')
    (write_workdir(tmp_path / "drawn") / "figures").mkdir()
    (tmp_path / "drawn" / "figures" / "map.json").write_text('{"rows": [1]}')
    assert main([argument.format(root=tmp_path) for argument in arguments]) == 2
    says_one_sentence(subprocess.CompletedProcess([], 2, "", capsys.readouterr().err), *parts)
