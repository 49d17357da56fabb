import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes.checks import check_features, check_labels, check_same_width, check_targets


def test_features():
    check_features("Features", np.zeros((2, 3)))
    for broken, sentence in [
        (np.zeros(3), "non-empty matrix"),
        (np.zeros((0, 3)), "non-empty matrix"),
        (np.full((2, 3), np.inf), "NaN or infinity"),
    ]:
        with pytest.raises(UserError, match=sentence):
            check_features("Features", broken)


def test_widths():
    check_same_width(np.zeros((2, 3)), np.zeros((5, 3)))
    with pytest.raises(UserError, match="3 columns but test features have 4"):
        check_same_width(np.zeros((2, 3)), np.zeros((5, 4)))


def test_labels():
    check_labels("Labels", np.array([0, 4]), n=2, n_classes=5)
    for broken, sentence in [
        (np.array([0, 1, 2]), "there are 2 feature rows"),
        (np.array([0.0, 1.0]), "integer classes"),
        (np.array([0, 5]), "allows 0 to 4"),
        (np.array([-1, 2]), "from -1 to 2"),
    ]:
        with pytest.raises(UserError, match=sentence):
            check_labels("Labels", broken, n=2, n_classes=5)


def test_targets():
    check_targets("Targets", np.array([0.5, 4]), n=2)
    for broken, sentence in [
        (np.array([0.0, 1.0, 2.0]), "there are 2 rows"),
        (np.array([0.0, np.nan]), "Targets hold NaN"),
    ]:
        with pytest.raises(UserError, match=sentence):
            check_targets("Targets", broken, n=2)
