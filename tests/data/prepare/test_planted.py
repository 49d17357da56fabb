import numpy as np
import pytest
import scipy.stats

from jcl.data.prepare.planted import plant_pairs
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest, labelled


def of_position(n):
    """Images that say which they are, so that a partner can be traced."""
    image = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    return {"image": image, "label": np.zeros(n, np.int32)}


def test_truth_is_what_was_planted():
    clean = {"train": of_position(200), "test": of_position(20)}
    made = plant_pairs(clean, noise=0.1, wrong=0.05, seed=0)
    train, test = made["train"], made["test"]
    good, noise, wrong = (np.flatnonzero(train["planted"] == kind) for kind in range(3))
    assert (len(good), len(noise), len(wrong)) == (170, 20, 10)
    for key in ("image", "partner"):
        np.testing.assert_array_equal(train[key][good], clean["train"]["image"][good])
        assert (train[key][noise] != clean["train"]["image"][noise]).any(axis=(1, 2, 3)).all()
    # Partners go around among the wrong ones: all are there, none at its place.
    np.testing.assert_array_equal(train["image"][wrong], clean["train"]["image"][wrong])
    exchanged = train["partner"][wrong, 0, 0, 0]
    assert sorted(exchanged) == sorted(wrong)
    assert (exchanged != wrong).all()
    assert (test["planted"] == 0).all()
    np.testing.assert_array_equal(test["partner"], test["image"])


def test_noise_is_uniform_and_new_in_the_partner():
    made = plant_pairs(labelled(shape=(8, 8, 3)), noise=0.2, wrong=0.0, seed=0)["train"]
    rows = made["planted"] == 1
    image, partner = (made[key][rows].astype(float).ravel() for key in ("image", "partner"))
    assert scipy.stats.kstest(image / 256, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(image, partner)[0, 1]) < 0.03  # four standard deviations


def test_texts_are_partners_where_there_are_some():
    splits = labelled()
    for arrays in splits.values():
        arrays["text"] = arrays["position"][:, None] + 1
        arrays["text_mask"] = arrays["text"] % 3 > 0
    made = plant_pairs(splits, noise=0.0, wrong=0.5, seed=0)["train"]
    assert "partner" not in made
    wrong = made["planted"] == 2
    assert wrong.sum() == 200
    assert ((made["text"][:, 0] != made["position"] + 1) == wrong).all()
    np.testing.assert_array_equal(made["text_mask"], made["text"] % 3 > 0)
    assert_same_arrays(made, splits["train"], "image", "label", "position")


def test_pinned():
    made = plant_pairs(labelled(), noise=0.05, wrong=0.05, seed=0)["train"]
    assert digest(made["image"], made["partner"], made["planted"]) == "e50a0f9b41dc69a6"


@pytest.mark.parametrize(
    ("noise", "wrong", "message"),
    [
        (1.2, 0.0, "planted_noise=1.2 is impossible"),
        (0.6, 0.6, "together they are at most 1"),
        (0.0, 1 / 400, "a ring of partners has at least two"),
    ],
)
def test_refuses_in_one_sentence(noise, wrong, message):
    with pytest.raises(UserError, match=message):
        plant_pairs(labelled(), noise=noise, wrong=wrong, seed=0)
