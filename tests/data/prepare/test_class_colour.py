import colorsys

import numpy as np
import pytest

from jcl.data.prepare.class_colour import colour_by_class
from jcl.errors import UserError
from tests.data.prepare.labelled import digest, labelled


def hues(image, classes):
    """The hue of each image of one colour, as a number of the circle's so many parts."""
    brightest = image.reshape(len(image), -1, 3).max(axis=1) / 255
    turns = [colorsys.rgb_to_hsv(*rgb)[0] for rgb in brightest]
    return np.round(np.array(turns) * classes) % classes


@pytest.mark.parametrize("channels", [1, 3])
def test_the_colour_is_that_of_the_key_and_of_the_class_in_so_many(channels):
    splits = labelled(train=2000, test=400, classes=5, shape=(6, 6, channels))
    made = colour_by_class(splits, share=0.7, seed=0)
    for arrays in made.values():
        np.testing.assert_array_equal(hues(arrays["image"], 5), arrays["colour"])
    own = {split: np.mean(a["colour"] == a["label"]) for split, a in made.items()}
    assert own["train"] == pytest.approx(0.7 + 0.3 / 5, abs=0.04)  # four standard deviations
    assert own["test"] == pytest.approx(1 / 5, abs=0.08)


def test_without_a_share_the_colour_tells_nothing():
    made = colour_by_class(labelled(train=2000), share=0.0, seed=0)["train"]
    assert np.mean(made["colour"] == made["label"]) == pytest.approx(1 / 4, abs=0.04)


def test_brightness_is_kept_and_bytes_are_pinned():
    splits = labelled()
    made = colour_by_class(splits, share=1.0, seed=0)["train"]
    gray = splits["train"]["image"].reshape(400, -1).astype(float)
    np.testing.assert_allclose(
        made["image"].max(axis=-1).reshape(400, -1), 64 + 0.75 * gray, atol=0.5
    )
    made = colour_by_class(splits, share=0.5, seed=0)["train"]
    assert digest(made["image"], made["colour"]) == "a2c835b5e3493f22"


def test_refuses_in_one_sentence():
    with pytest.raises(UserError, match="class_colour=2 is impossible"):
        colour_by_class(labelled(), share=2.0, seed=0)
