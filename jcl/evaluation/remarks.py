"""Remarks of evaluation: scores that are left out, and differences from the run's data."""

from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from jcl.data import Source
from jcl.data.identity import files_of, identity, identity_changes
from jcl.evaluation.left_out import Measurable, left_out
from jcl.experiment import read_run_config
from jcl.probes import Features
from jcl.runtime import workdir as workdir_lib
from jcl.runtime.folder import Folder


def remarks(
    config: ConfigDict,
    workdir: Folder,
    train: Source,
    train_features: Features,
    test_features: Features | None,
) -> list[str]:
    """Sentences on scores that are left out, and on differences from the data of training.

    Args:
        config: of the evaluation.
        workdir: of the run.
        train: the training split, as a run reads it.
        train_features: of that split.
        test_features: of the test split; None without one.
    """
    key, of_test = config.probe.label, test_features or train_features
    label = train_features.known.get(key) if key in of_test.known else None
    if key == "label" and train.n_classes is None:
        label = None
    found = Measurable(
        examples=len(train_features.features),
        test=test_features is not None,
        classes=None if label is None else len(np.unique(label)),
        target=train_features.target is not None and of_test.target is not None,
    )
    said, before = left_out(config, found), workdir_lib.read_data(workdir)
    if before and config.data.to_dict() == read_run_config(workdir)[0].data.to_dict():
        changed = identity_changes(before, identity(train, files_of(config.data)))
        said += [f"these are not the data that the run was trained on: {x}" for x in changed]
    elif before:
        said += _other_size(before["example"], identity(train)["example"])
    return said


def _other_size(before: Mapping[str, list], now: Mapping[str, list]) -> list[str]:
    shapes = before.get("image"), now.get("image")
    if None in shapes or shapes[0] == shapes[1]:
        return []
    (_, there), (_, here) = shapes
    return [
        f"the run was trained on images {there} and these are {here}; data.image_size, where the "
        "data take it, brings them to one size"
    ]
