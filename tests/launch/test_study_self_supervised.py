"""benchmarks/study_self_supervised.sh: its cells open, cost the same, are chosen from, and run."""

import json

import jax
import pytest

from benchmarks.best_rates import best_cells
from configs.self_supervised_shapes import PASSES, get_config
from jcl.augment.make import make_views
from jcl.data.dataset_shape import images_of
from jcl.experiment import make_experiment
from jcl.methods.parts.momentum import MOMENTUM
from launch.grid import expand, resolve
from launch.sweep import main
from tests.binaries import TINY
from tests.tiny import one_device

CONFIG = "configs/self_supervised_shapes.py"
SHAPES = images_of(32, 32, 3, examples=10_000)


@pytest.mark.parametrize("method", PASSES)
def test_every_cell_has_the_budget(method):
    (one,) = expand([f":cell={method}-0.33"], seeds=1)
    config = resolve(one, CONFIG)
    assert (config.method.name, config.batch_size) == (method, 64)
    own = get_config(f"cell={method}-1").optimizer.learning_rate
    assert config.optimizer.learning_rate == pytest.approx(0.33 * own)
    experiment = make_experiment(config, SHAPES)
    state = experiment.state_shapes(one_device())
    keys = jax.random.split(jax.random.key(0), 1)
    views = jax.eval_shape(
        make_views(config.views), keys, {"image": jax.ShapeDtypeStruct((1, 32, 32, 3), "float32")}
    )
    sizes = [views[kind].shape[1:3] for kind in views if kind.startswith("image")]
    passes = sum(count * (size / 32) ** 2 for count, size in sizes)
    if MOMENTUM in state.method_state:
        # Both see all views, or the networks one and the copies the other.
        assert PASSES[method] in (pytest.approx(passes * 4 / 3), pytest.approx(passes * 2 / 3))
    else:
        assert PASSES[method] == pytest.approx(passes)
    assert config.total_epochs * PASSES[method] == pytest.approx(28)


def write(root, cell, top1, held_out=0.2, seed=0):
    folder = root / f"cell={cell},seed={seed}"
    folder.mkdir(parents=True)
    data = {} if held_out is None else {"held_out": held_out}  # as a run saves what is set
    (folder / "config.json").write_text(json.dumps({"data": data}))
    (folder / "results.json").write_text(json.dumps({"knn": {"top1": top1}}))


def test_the_best_rate_of_each_method_is_chosen(tmp_path):
    with pytest.raises(SystemExit, match="holds no cell=METHOD-FACTOR"):
        best_cells(tmp_path)
    for cell, top1 in {
        **{"byol-0.33": 0.4, "byol-1": 0.5, "byol-3": 0.45},
        **{"dcl-0.33": 0.7, "dcl-1": 0.6, "dcl-3": 0.7},
    }.items():
        write(tmp_path, cell, top1)
    assert best_cells(tmp_path) == ["byol-1", "dcl-0.33"]
    write(tmp_path, "swav-1", 0.9, held_out=None)
    with pytest.raises(SystemExit, match=r"swav-1.*choose no setting"):
        best_cells(tmp_path)
    write(tmp_path, "byol-1", 0.5, seed=1)
    with pytest.raises(SystemExit, match=r"byol-1,seed=1.*one seed chooses"):
        best_cells(tmp_path)


@pytest.mark.slow
def test_one_cell_runs(tmp_path):
    arguments = f"--config={CONFIG}", f"--workdir={tmp_path}", "--grid=:cell=nnclr-1"
    more = "--config.method.queue_size=32", "--config.data.held_out=0.25"
    assert main([*arguments, *TINY, "--config.total_epochs=None", *more]) == 0
    assert best_cells(tmp_path) == ["nnclr-1"]
