"""benchmarks/study_variants.sh: every cell's config opens, and one cell runs."""

import json
import re

import pytest

from configs.variant_baselines import CELLS, VARIANTS
from launch.grid import expand, resolve
from launch.sweep import main
from tests.binaries import ROOT, TINY

CONFIG = "configs/variant_baselines.py"


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_opens(cell):
    (one,) = expand([f":cell={cell}"], seeds=1)
    config = resolve(one, CONFIG)
    variant, method = cell.split("-")
    assert config.method.name == method
    assert config.data.name == VARIANTS[variant]["data"].format("data/variants")


def test_every_archive_and_data_set_has_its_command():
    made = (ROOT / "benchmarks" / "prepare_variants.sh").read_text()
    made += "".join(f"\nprepare fashion_tail{ratio} " for ratio in (1, 10, 100))
    for variant in VARIANTS.values():
        if name := re.fullmatch(r"(?:tfds:|arrays:\{}/)(\w+)(?:\.npz)?", variant["data"]):
            assert re.search(rf"^(prepare|photographs) {name[1]}( |$)", made, re.MULTILINE), name[1]


@pytest.mark.slow
def test_one_cell_runs(tmp_path):
    arguments = f"--config={CONFIG}", f"--workdir={tmp_path}", "--grid=:cell=textured-simclr"
    assert main([*arguments, *TINY]) == 0
    results = json.loads((tmp_path / "cell=textured-simclr,seed=0" / "results.json").read_text())
    assert 0 < results["knn"]["top1"] <= 1
    assert results["geometry"]["effective_rank"] > 1
