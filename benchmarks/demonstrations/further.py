"""Scores of finished runs that `jcl.evaluate` does not write by itself.

    python -m benchmarks.demonstrations.further FOLDER

On runs whose cell names another dataset, `jcl.evaluate` runs once more, on that. What iSogCLR and
DBPM keep of each training example is compared with what the data know of it, in tables.json. What
is there stays.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from configs.demonstrations import CELLS
from jcl.data import Source
from jcl.data.dataset_shape import shape_of
from jcl.evaluation.results import results_file, suffix_of_dataset
from jcl.experiment import make_experiment, open_config, open_split
from jcl.methods.base import Method
from jcl.runtime import workdir as workdir_lib
from jcl.training.checkpoint import read_variables


def temperatures(method: Method, state, train: Source) -> dict:
    """Mean temperature of the examples of the larger half of the classes, and of the smaller."""
    del method
    label = train.batch(np.arange(len(train)))["label"]
    order = np.argsort(-np.bincount(label), kind="stable")
    learned = np.asarray(state["temperatures"])
    half = len(order) // 2
    return {
        "temperature": {
            name: float(learned[np.isin(label, classes)].mean())
            for name, classes in (("head", order[:half]), ("tail", order[half:]))
        }
    }


def flags(method: Method, state, train: Source) -> dict:
    """Share of the planted bad pairs that are flagged, and share of the good ones."""
    bad = train.batch(np.arange(len(train)))["planted"] > 0
    flagged = np.asarray(method.flagged(state["table"], state))
    return {"flagged": {"bad": float(flagged[bad].mean()), "good": float(flagged[~bad].mean())}}


OF_TABLES: Mapping[str, Callable] = {"isogclr": temperatures, "dbpm": flags}


def add_scores(run: Path) -> None:
    """Adds what a finished run lacks."""
    config = open_config(workdir_lib.read_config(run))
    score = OF_TABLES.get(config.method.name)
    if score is not None and not (run / "tables.json").exists():
        train = open_split(config, "train")
        method = make_experiment(config, shape_of(train)).method
        found = score(method, read_variables(run)[0].method_state, train)
        workdir_lib.write_atomically(run / "tables.json", json.dumps(found, indent=2) + "\n")
    other = CELLS[cell_of(run)].also_on
    if other is not None and not results_file(run, suffix_of_dataset(run, "", other)).exists():
        # Files of the run's own dataset fit no other.
        without = "--config.data.subset=None", "--config.data.groups=None"
        arguments = f"--workdir={run}", f"--config.data.name={other}", *without
        subprocess.run([sys.executable, "-m", "jcl.evaluate", *arguments], check=True)


def cell_of(run: Path) -> str:
    """CELL of a folder cell=CELL,seed=N."""
    return run.name.removeprefix("cell=").rpartition(",")[0]


def main(folder: Path) -> None:
    """Adds what the finished runs of a study lack."""
    for done in tqdm(sorted(folder.glob("cell=*,seed=*/sweep.json")), unit="run"):
        add_scores(done.parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
