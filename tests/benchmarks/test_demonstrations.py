"""docs/demonstrations.md and its study: cells open and have an entry; verdicts; one cell runs."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.demonstrations.__main__ import SEEDS, table, value_of, verdict
from benchmarks.demonstrations.further import OF_TABLES, flags, temperatures
from benchmarks.demonstrations.further import main as add_scores
from benchmarks.demonstrations.hidden_partners import hidden_partners
from benchmarks.demonstrations.labelled_scenes import labelled_scenes
from benchmarks.demonstrations.nearest_negatives import NearestNegatives
from benchmarks.demonstrations.page import Score, demonstrations, outcomes
from benchmarks.demonstrations.soft_clip import SoftCLIP
from configs.demonstrations import CELLS
from jcl.data import InMemorySource
from jcl.evaluation.results import suffix_of_dataset
from jcl.methods import METHODS
from jcl.methods.base import Variables
from jcl.methods.dbpm import DBPM
from jcl.models.projector import MLP
from launch.grid import expand, resolve
from launch.sweep import main as sweep
from tests.binaries import ROOT, TINY

CONFIG = "configs/demonstrations.py"
FIXED = demonstrations()


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_opens(cell):
    (one,) = expand([f":cell={cell}"], seeds=1)
    config = resolve(one, CONFIG)
    assert config.total_steps == CELLS[cell].steps
    assert config.probe.baselines is False
    assert "{" not in "".join(str(config.data.get(key)) for key in ("name", "dir", "groups"))
    after = CELLS[cell].after
    assert after is None or CELLS[after].after is None


def test_every_cell_has_an_entry_and_every_entry_has_its_cells(tmp_path):
    named = {score.cell for claim in FIXED for score in (claim.baseline, claim.method)}
    assert named | {cell.after for cell in CELLS.values()} - {None} == set(CELLS)
    for claim in FIXED:
        assert claim.claim.endswith(".") or claim.claim.endswith(").")
        assert re.fullmatch(r"\d+ (`\w+`|[A-Z][\w-]+)( \(our reading\))?", claim.row)
        assert claim.baseline != claim.method
        for cell, (file, *_) in (claim.baseline, claim.method):
            if file not in ("results", "tables"):
                assert file == f"results{suffix_of_dataset(tmp_path, '', CELLS[cell].also_on)}"


def test_outcomes_are_those_of_the_claims_that_were_fixed():
    claims = {(claim.row, claim.claim): claim for claim in FIXED}
    assert outcomes()
    for outcome in outcomes():
        claim = claims[outcome.row, outcome.claim]
        assert outcome.asked == f"{claim.relation} {claim.margin:g}"
        difference = float(outcome.difference.split()[0])
        assert claim.holds(difference) or outcome.verdict == "not shown"


def test_every_archive_and_data_set_has_its_command():
    made = (ROOT / "benchmarks" / "prepare_variants.sh").read_text()
    made += "".join(f"\nprepare fashion_tail{ratio} " for ratio in (1, 10, 100))
    for cell in CELLS.values():
        of_data = cell.changes.get("data", {}).get("name", ""), cell.also_on or ""
        for name in of_data:
            if found := re.fullmatch(r"(?:tfds:|arrays:\{}/)(\w+)(?:\.npz)?", name):
                pattern = rf"^(prepare|photographs) {found[1]}( |$)"
                assert re.search(pattern, made, re.MULTILINE), found[1]


def test_tables_are_those_of_methods():
    assert OF_TABLES.keys() <= METHODS.keys()


def test_temperatures_of_frequent_and_rare_classes():
    label = np.array([2] * 5 + [0] * 3 + [1] * 2 + [3], np.int32)
    source = InMemorySource({"label": label})
    found = temperatures(None, {"temperatures": np.arange(11.0)}, source)
    assert found == {"temperature": {"head": np.mean(range(8)), "tail": np.mean([8, 9, 10])}}


def test_flags_of_bad_and_good_pairs():
    source = InMemorySource({"planted": np.array([0, 1, 2, 0, 0], np.int32)})
    table = {"losses": np.array([2.0, 0, 20, 2, 8]), "weights": np.array([2.0, 2, 2, 2, 2])}
    state = {"table": table, "mean": np.array(1.0), "deviation": np.array(1.0)}
    network = MLP(hidden_dim=1, output_dim=1)
    method = DBPM(encoder=network, projector=network, deviations=2.0)
    # Means of 1, 0, 10, 1 and 4: the third and the last are two deviations off.
    found = flags(method, jax.tree.map(jnp.asarray, state), source)["flagged"]
    assert found == {"bad": pytest.approx(1 / 2), "good": pytest.approx(1 / 3)}


def write(root, cell, seed, file, value):
    folder = root / f"cell={cell},seed={seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{file}.json").write_text(json.dumps(value))


def test_verdicts(tmp_path):
    claim = next(claim for claim in FIXED if claim.row == "96 `mochi`")
    assert (claim.relation, claim.margin) == (">=", 0.02)
    for differences, expected in (
        ([0.02, 0.02, 0.02], "shown"),
        ([0.1, 0.03, -0.01], "shown"),
        ([0.2, 0.01, 0.01], "not shown"),  # in one seed
        ([0.03, 0.03, -0.2], "not shown"),  # not in the mean
        ([-0.3, -0.3, -0.3], "not shown"),
        ([0.3, 0.3], "2 of 3 seeds were run"),
    ):
        assert verdict(claim, differences) == expected
    error = next(claim for claim in FIXED if claim.relation == "<=")
    assert error.holds(error.margin - 1)
    assert not error.holds(error.margin + 0.1)


def test_the_table_is_that_of_the_runs(tmp_path):
    for seed in range(SEEDS):
        for cell, top1 in (("mochi-moco_v2", 0.5 + seed / 100), ("mochi-mochi", 0.55)):
            write(tmp_path, cell, seed, "results", {"knn": {"top1": top1}})
    write(tmp_path, "isogclr-isogclr", 0, "tables", {"temperature": {"head": 0.3, "tail": 0.2}})
    lines = table(tmp_path).splitlines()
    assert len(lines) == len(FIXED) + 2
    (mochi,) = (line for line in lines if line.startswith("| 96 "))
    assert mochi.endswith("| 0.510 ± 0.010 | 0.550 ± 0.000 | 0.040 ± 0.010 | >= 0.02 | shown |")
    warmer = [line for line in lines if line.startswith("| 46 ")][1]
    assert warmer.endswith("| 0.200 | 0.300 | 0.100 | >= 0.02 | 1 of 3 seeds were run |")
    assert "| not run | not run | not run |" in lines[2]
    assert value_of(tmp_path, Score("mochi-mochi", ("results", "knn", "mae")), 0) is None


def test_hidden_partners_lose_their_shape_and_nothing_else():
    arrays = hidden_partners("train", train_examples=200).arrays
    good = arrays["quality"] == 1
    assert 0.1 < 1 - good.mean() < 0.3
    same = (arrays["image"] == arrays["partner"]).all(axis=3)
    assert same[good].all()
    # Masks hold the pixels that are covered by half; edges around them are covered by less.
    hidden, masks = ~same[~good], arrays["mask"][~good]
    assert (hidden & masks).sum() > 0.95 * masks.sum()
    assert hidden.sum() < 1.6 * masks.sum()
    assert hidden_partners("test", test_examples=50).arrays["quality"].min() == 1


def test_scenes_of_the_same_shapes_have_the_same_label():
    arrays = labelled_scenes("train", train_examples=300).arrays
    bits = np.unpackbits(arrays["label"].astype(np.uint8)[:, None], axis=1, bitorder="little")
    np.testing.assert_array_equal(bits, arrays["labels"])


@pytest.mark.parametrize("neighbours", [3, 20])
def test_nearest_negatives_by_the_formula(neighbours):
    z = np.random.RandomState(0).normal(size=(2, 5, 7))
    unit = (z / np.linalg.norm(z, axis=2, keepdims=True)).reshape(10, 7)
    losses = []
    for i in range(10):
        cosines = unit @ unit[i]
        negatives = [cosines[j] for j in range(10) if j % 5 != i % 5]
        nearest = np.array([cosines[(i + 5) % 10], *sorted(negatives)[-neighbours:]])
        losses.append(np.log(np.sum(np.exp((nearest - nearest[0]) / 0.5))))
    method = NearestNegatives(encoder=None, projector=None, temperature=0.5, neighbours=neighbours)
    assert float(method.loss(*jnp.asarray(z), None)) == pytest.approx(np.mean(losses), rel=1e-6)


def test_soft_targets_by_the_formula():
    image, text = np.random.RandomState(0).normal(size=(2, 6, 5))
    image, text = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (image, text))
    alike = np.exp((image @ image.T + text @ text.T) / 2 / 0.1)
    targets = 0.7 * np.eye(6) + 0.3 * alike / alike.sum(axis=1, keepdims=True)
    logits = image @ text.T / 0.2
    losses = [
        np.log(np.exp(scores).sum(axis=1)) - np.sum(targets * scores, axis=1)
        for scores in (logits, logits.T)
    ]
    networks = dict.fromkeys(("encoder", "projector", "text_encoder", "text_projector"))
    method = SoftCLIP(**networks, weight=0.3)
    scale = {"log_scale": jnp.asarray(-np.log(0.2))}
    embeddings = {"image": jnp.asarray(3 * image), "text": jnp.asarray(text)}
    variables = Variables(scale, {}, {})
    found = method.objective(variables, embeddings, {}, None, None, None).loss
    assert float(found) == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.slow
def test_one_cell_runs_and_its_table_is_read(tmp_path):
    arguments = f"--config={CONFIG}", f"--workdir={tmp_path}", "--grid=:cell=isogclr-isogclr"
    assert sweep([*arguments, *TINY, "--config.data.name=shapes"]) == 0
    add_scores(tmp_path)
    run = tmp_path / "cell=isogclr-isogclr,seed=0"
    learned = json.loads((run / "tables.json").read_text())["temperature"]
    assert 0.05 <= learned["head"] <= 1
    assert 0.05 <= learned["tail"] <= 1
