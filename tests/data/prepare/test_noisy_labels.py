import numpy as np
import pytest
import scipy.stats

from jcl.data.prepare.noisy_labels import corrupt_labels
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest, labelled


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric"])
def test_so_many_training_labels_are_wrong_and_the_true_ones_are_kept(kind):
    clean = labelled(train=2000)
    noisy = corrupt_labels(clean, kind=kind, rate=0.3, seed=0)
    train = noisy["train"]
    np.testing.assert_array_equal(train["label_true"], clean["train"]["label"])
    assert (train["label"] != train["label_true"]).sum() == 600
    assert train["label"].dtype == np.int32
    assert_same_arrays(noisy["test"], {**clean["test"], "label_true": clean["test"]["label"]})
    assert_same_arrays(train, clean["train"], "image", "position")


def test_symmetric_noise_takes_every_other_class_and_asymmetric_the_next():
    further = {}
    for kind in ("symmetric", "asymmetric"):
        train = corrupt_labels(labelled(train=2000), kind=kind, rate=0.5, seed=0)["train"]
        further[kind] = np.bincount((train["label"] - train["label_true"]) % 4, minlength=4)
    assert further["asymmetric"].tolist() == [1000, 1000, 0, 0]
    assert further["symmetric"][0] == 1000
    assert scipy.stats.chisquare(further["symmetric"][1:]).pvalue > 1e-3


def test_pinned():
    made = [
        corrupt_labels(labelled(), kind="symmetric", rate=0.4, seed=seed)["train"]["label"]
        for seed in (0, 0, 1)
    ]
    assert digest(made[0]) == digest(made[1]) == "048d76484e6ce899"
    assert digest(made[2]) != digest(made[0])


@pytest.mark.parametrize(
    ("splits", "options", "message"),
    [
        (labelled(), {"kind": "pair"}, "allowed: symmetric, asymmetric"),
        (labelled(), {"rate": 1.5}, "label_noise_rate=1.5 is impossible"),
        (labelled(classes=1), {}, "two classes"),
        (corrupt_labels(labelled(), kind="symmetric", rate=0.1, seed=0), {}, "replace the label_t"),
    ],
)
def test_refuses_in_one_sentence(splits, options, message):
    with pytest.raises(UserError, match=message):
        corrupt_labels(splits, **{"kind": "symmetric", "rate": 0.1, "seed": 0, **options})
