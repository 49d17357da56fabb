"""launch/grid.py: which runs a grid has, and what their folders are called."""

import itertools

from launch.grid import Run, expand, parse_grid, resolve, run_name


def test_all_combinations_with_seeds_fastest():
    runs = expand(["method.name=simclr,dcl", "batch_size=64,256"], seeds=3, common=["--config.a=1"])
    assert [run.overrides for run in runs] == [
        {"a": "1", "method.name": name, "batch_size": size, "seed": seed}
        for name, size, seed in itertools.product(("simclr", "dcl"), ("64", "256"), "012")
    ]
    assert runs[0].name == "method.name=simclr,batch_size=64,seed=0"
    assert runs[0].flags()[:2] == ["--config.a=1", "--config.method.name=simclr"]
    assert len({run.name for run in runs}) == 12


def test_seeds_alone_are_a_sweep():
    assert expand([], seeds=2) == [Run("seed=0", {"seed": "0"}), Run("seed=1", {"seed": "1"})]


def test_commas_within_brackets_do_not_split():
    key, values = parse_grid("encoder.widths=(4,8),(4,(8, 16)),[1,2],x=y")
    assert key == "encoder.widths"
    assert values == ["(4,8)", "(4,(8, 16))", "[1,2]", "x=y"]


def test_names_are_safe_as_folders():
    swept = {"data.name": "tfds:a/b", "encoder.widths": "(4,8)", "x": "1e-3", "y": "-1", "z": ".."}
    assert run_name(swept) == "data.name=tfds-a-b,encoder.widths=4-8,x=1e-3,y=-1,z=.."


def test_none_unsets_in_a_grid_too():
    runs = expand(["method.temperature=None,0.3", "total_steps=1e2,7"], seeds=1)
    configs = [resolve(run, "configs/simclr_shapes.py") for run in runs]
    assert [config.method.temperature for config in configs] == [None, None, 0.3, 0.3]
    assert [config.total_steps for config in configs] == [100, 7, 100, 7]
    assert runs[0].name == "method.temperature=None,total_steps=1e2,seed=0"


def test_a_colon_sweeps_an_argument_of_the_config_file():
    runs = expand([":batch=64,32", "method.name=simclr"], seeds=1)
    assert [run.name for run in runs] == [
        f"batch={batch},method.name=simclr,seed=0" for batch in (64, 32)
    ]
    assert runs[0].overrides == {"method.name": "simclr", "seed": "0"}
    for given, expected in (
        ("configs/simclr_shapes.py", "configs/simclr_shapes.py:batch=64"),
        ("configs/simclr_shapes.py:epochs=3", "configs/simclr_shapes.py:epochs=3,batch=64"),
    ):
        assert runs[0].config_file(given) == expected
    configs = [resolve(run, "configs/simclr_shapes.py:epochs=3") for run in runs]
    assert [(c.batch_size, c.total_epochs) for c in configs] == [(64, 3.0), (32, 3.0)]
    assert expand([], seeds=1)[0].config_file("a.py:b=1") == "a.py:b=1"
