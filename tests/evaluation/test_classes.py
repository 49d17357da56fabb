"""Which number of an example the probes take for its class."""

import numpy as np
import pytest

from jcl.errors import UserError
from jcl.evaluation.classes import classes_to_probe
from jcl.probes import Features


def features(motion, **known):
    label = np.zeros(4, np.int32)
    return Features(np.ones((4, 2)), {"label": label, "motion": np.array(motion), **known})


TRAIN, TEST = features([0, 1, 1, 2]), features([0, 3, 0, 0], turn=np.arange(4))


def test_labels_stay_where_they_are_asked_for():
    assert classes_to_probe("label", 8, TRAIN, TEST) == (8, (TRAIN, TEST))
    assert classes_to_probe("label", None, TRAIN, TEST)[0] is None


def test_another_number_takes_the_place_of_the_label():
    count, (train, test) = classes_to_probe("motion", 8, TRAIN, TEST)
    assert count == 4
    assert (train.label.tolist(), test.label.tolist()) == ([0, 1, 1, 2], [0, 3, 0, 0])
    assert train.label.dtype == np.int32
    assert TRAIN.label.tolist() == [0] * 4


@pytest.mark.parametrize("key", ["turn", "speed", "target", "path"])
def test_what_is_no_class_of_both_splits_is_refused(key):
    known = {"target": np.linspace(0, 1, 4), "path": np.zeros((4, 2), np.int32)}
    splits = (split._replace(known={**split.known, **known}) for split in (TRAIN, TEST))
    with pytest.raises(UserError, match=f"probe.label='{key}' .* the data have label, motion$"):
        classes_to_probe(key, 8, *splits)
    with pytest.raises(UserError, match=r"have label$"):
        classes_to_probe("motion", 8, features([0, -1, 0, 0]), TEST)
