"""The config on disk, and what of it counts when a run resumes."""

import json

import pytest

from jcl import config as config_lib
from jcl.config.saved import changes
from jcl.config.upgrade import renames, upgrade_config, upgrade_patterns
from jcl.data.identity import identity
from jcl.errors import UserError
from jcl.experiment import changes_on_resume, check_resume, open_config, resolved_options
from jcl.runtime.workdir import read_config, write_config, write_run
from tests.tiny import tiny_config, tiny_source


def test_what_is_set_comes_back():
    config = tiny_config(**{"method.weight_sigma": 0.5, "method.name": "dcl"})
    text = config_lib.to_json(config)
    held = json.loads(text)
    assert held["mesh"] == {"data": -1, "fsdp": 1}
    assert held["method"] == {"name": "dcl", "temperature": 0.2, "weight_sigma": 0.5}
    assert "total_epochs" not in held
    for again in (config_lib.from_json(text), config_lib.from_json(config_lib.to_json(config))):
        assert open_config(again).to_dict() == open_config(config).to_dict()
        assert again.encoder.widths == (4, 8)
    # An opened config is the same on disk.
    assert json.loads(config_lib.to_json(open_config(config))) == held


def test_pairs_and_groups_come_back_as_they_were():
    nested = {
        "init_from": (("encoder", "runs/x"), (".*", "runs/y")),
        "optimizer.groups": (("encoder", {"scale": 0.1, "decay": False}), ("projector", None)),
    }
    config = open_config(tiny_config(**nested))
    again = open_config(config_lib.from_json(config_lib.to_json(config)))
    assert (again.init_from, again.optimizer.groups) == tuple(nested.values())
    options = resolved_options(config)
    assert json.loads(json.dumps(options)) == options


def test_a_file_of_something_else_is_a_sentence():
    with pytest.raises(UserError, match="not JSON"):
        config_lib.from_json("{")
    with pytest.raises(UserError, match="config key batch_sise is unknown"):
        config_lib.from_json('{"batch_sise": 3}')
    with pytest.raises(UserError, match=r"config key probe\.knn is unknown"):
        config_lib.from_json('{"probe": {"knn": 3}}')
    with pytest.raises(UserError, match="config key batch_size='x'"):
        config_lib.from_json('{"batch_size": "x"}')
    for value in ('"simclr"', "null", "7", "[1]"):
        with pytest.raises(UserError, match=r"config's method is .*, not an object of options"):
            config_lib.from_json(f'{{"method": {value}}}')


@pytest.fixture
def workdir(tmp_path):
    config = open_config(tiny_config())
    write_config(tmp_path, config)
    write_run(tmp_path, start_step=0, origin=None, options=resolved_options(config), data={})
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mesh.data", 4),
        ("log_every_steps", 7),
        ("checkpoint.every_steps", 9),
        ("checkpoint.keep", 5),
        ("profile.steps", (3, 5)),
        ("wandb.project", "x"),
        ("encoder.blocks", 0),  # its default, said aloud
    ],
)
def test_what_computes_nothing_may_change_on_resume(key, value, workdir):
    assert changes_on_resume(workdir, open_config(tiny_config(**{key: value}))) == []


def test_what_computes_something_is_named(workdir):
    changed = tiny_config(
        **{"total_steps": 48, "optimizer.learning_rate": 0.5, "encoder.activation": "gelu"}
    )
    assert sorted(changes_on_resume(workdir, open_config(changed))) == [
        "encoder.activation: 'relu' -> 'gelu'",
        "optimizer.learning_rate: 0.01 -> 0.5",
        "total_steps: 24 -> 48",
    ]
    grouped = tiny_config(**{"optimizer.groups": (("encoder", {"scale": 0.5}),), "init_from": "x"})
    assert sorted(changes_on_resume(workdir, open_config(grouped))) == [
        "init_from: None -> 'x'",
        "optimizer.groups: None -> (('encoder', {'scale': 0.5}),)",
    ]
    # Of another thing, what both take is compared and what one takes alone is not.
    other = open_config(tiny_config(**{"encoder.name": "mlp", "encoder.activation": "gelu"}))
    assert sorted(changes_on_resume(workdir, other)) == [
        "encoder.activation: 'relu' -> 'gelu'",
        "encoder.name: 'convnet' -> 'mlp'",
    ]


def test_other_data_need_acceptance_like_another_config(tmp_path):
    config, data = open_config(tiny_config()), identity(tiny_source())
    other = identity(tiny_source(63))
    write_config(tmp_path, config)
    write_run(tmp_path, start_step=0, origin=None, options=resolved_options(config), data=data)
    assert check_resume(tmp_path, config, identity(tiny_source()), accept=False) == []
    with pytest.raises(UserError, match=r"with other data; .*number of examples: 64 -> 63"):
        check_resume(tmp_path, config, other, accept=False)
    longer = open_config(tiny_config(total_steps=48))
    with pytest.raises(UserError, match=r"with another config and other data; .*total_steps"):
        check_resume(tmp_path, longer, other, accept=False)
    found = check_resume(tmp_path, longer, other, accept=True)
    assert found[:2] == ["total_steps: 24 -> 48", "data, number of examples: 64 -> 63"]
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "data": None}))  # as older runs have it
    assert check_resume(tmp_path, config, other, accept=False) == []


def test_the_folder_of_the_data_may_change_and_what_is_like_it_may_not(tmp_path):
    def config(**options):
        new = tiny_config()
        new.data = {"name": "tfds:small", **options}
        return open_config(new)

    write_config(tmp_path, config(dir="here"))
    options = resolved_options(config(dir="here"))
    write_run(tmp_path, start_step=0, origin=None, options=options, data={})
    assert changes_on_resume(tmp_path, config(dir="there")) == []
    assert changes_on_resume(tmp_path, config(dir="here", image_key="x")) == [
        "data.image_key: 'image' -> 'x'"
    ]


THEN = {"optimizer.encoder_scale": 1.0, "init_part": "everything", "probe.projection": False}


@pytest.mark.parametrize(
    ("old", "config"),
    [
        (
            {"optimizer.encoder_scale": 0.5, "init_part": "encoder", "init_from": "x"},
            {
                "optimizer.groups": (("encoder", {"scale": 0.5}),),
                "init_from": (("encoder", "x"),),
            },
        ),
        ({"init_from": "x"}, {"init_from": "x"}),
        ({"probe.projection": True}, {"probe.outputs": ("features", "projection")}),
        ({}, {}),
    ],
)
def test_a_run_with_keys_that_went_goes_on_with_those_of_today(old, config, workdir):
    """Runs up to 2026-11-28, with their options in run.json, and older ones, without."""
    nested, run = json.loads((workdir / "config.json").read_text()), workdir / "run.json"
    recorded = json.loads(run.read_text())
    for key in ("optimizer.groups", "probe.outputs", "teacher.workdir", "teacher.step"):
        recorded["options"].pop(key, None)
    for key, value in {**THEN, **old}.items():
        title, _, leaf = key.rpartition(".")
        (nested[title] if title else nested)[leaf] = value
        recorded["options"][key] = value
    nested.pop("teacher")
    nested["probe"].pop("outputs")
    (workdir / "config.json").write_text(json.dumps(nested))
    run.write_text(json.dumps(recorded))
    today = open_config(tiny_config(**config))
    assert open_config(read_config(workdir)).to_dict() == today.to_dict()
    assert changes_on_resume(workdir, today) == []
    other = open_config(tiny_config(**config, **{"frozen": ("projector",)}))
    other.optimizer.groups = (("encoder", {"scale": 0.25}),)
    found = changes_on_resume(workdir, other)
    assert [line.partition(":")[0] for line in found] == ["frozen", "optimizer.groups"]
    run.unlink()
    assert changes_on_resume(workdir, today) == []


def test_changes_of_options_that_came_or_went():
    then = {"method.name": "a", "method.x": 1, "method.y": 2}

    def found(before, now):
        return changes(before, now, defaults={"method.new": 3, "method.z": 0})

    same = {"method.name": "a", "method.x": 1, "method.y": 2}
    assert found(then, {**same, "method.new": 3}) == []
    assert found(then, {**same, "method.new": 4}) == ["method.new: 3 -> 4"]
    assert found(then, {"method.name": "a", "method.x": 1}) == ["method.y: 2 -> None"]
    assert found(then, {"method.name": "b", "method.z": 1}) == ["method.name: 'a' -> 'b'"]
    assert found({"beta": [1, 2]}, {"beta": [1, 2]}) == []
    assert found({"beta": [1, 2]}, {"beta": [1, 3]}) == ["beta: (1, 2) -> (1, 3)"]


CONVNET = {"encoder": {"name": "convnet", "blocks": 1}, "projector": {"name": "mlp"}}


@pytest.mark.parametrize(
    ("pattern", "now"),
    [
        ("encoder", ["encoder"]),
        ("encoder/.*", ["encoder/.*"]),
        ("encoder/Conv_0", ["encoder/conv_stage0"]),
        ("encoder/Conv_0/", ["encoder/conv_stage0"]),
        ("encoder/Conv_0/kernel", ["encoder/conv_stage0/kernel"]),
        ("encoder/Conv_[12]", ["encoder/conv_stage1", "encoder/conv_stage1_block0"]),
        ("encoder/conv_stage0", ["encoder/conv_stage0"]),
        ("projector/Dense_1", ["projector/dense1"]),
        ("encoder/absent", ["encoder/absent"]),
        ("(", ["("]),
    ],
)
def test_patterns_of_old_names(pattern, now):
    assert upgrade_patterns([pattern], renames(CONVNET)) == tuple(now)


def test_networks_of_others_keep_their_names():
    theirs = {"encoder": {"name": "lab.patches:Patches"}, "projector": {"name": "mlp"}}
    assert "encoder" not in renames(theirs)
    assert upgrade_patterns(["encoder/Conv_0"], renames(theirs)) == ("encoder/Conv_0",)


def test_an_old_config_loses_what_was_not_set_and_what_did_nothing():
    old = {
        "total_steps": 3,
        "method": {"name": "l1", "temperature": None},
        "encoder": {"name": "convnet", "widths": [4, 8], "patch_size": None},
        "projector": {"name": "mlp", "hidden_dim": 8},
        "frozen": ["encoder/Conv_1"],
    }
    assert upgrade_config(old) == {
        "total_steps": 3,
        "method": {"name": "l1"},
        "encoder": {"name": "convnet", "widths": [4, 8]},
        "projector": {"name": "mlp"},
        "frozen": ("encoder/conv_stage1",),
    }
