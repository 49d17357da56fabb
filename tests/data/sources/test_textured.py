import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from jcl.data import open_source
from jcl.data.sources.textured import NOTHING, make_textured
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest


@pytest.fixture(scope="module")
def textured():
    return make_textured("train", 800, background_share=0.5).arrays


def test_half_of_the_images_are_textures_alone(textured):
    alone = textured["background"]
    assert alone.mean() == pytest.approx(0.5, abs=0.07)  # four standard deviations
    np.testing.assert_array_equal(textured["label"] == NOTHING, alone)
    np.testing.assert_array_equal(textured["mask"].any(axis=(1, 2)), ~alone)
    shaped = np.arange(800)[~alone]
    np.testing.assert_array_equal(textured["label"][shaped], shaped % 8)


def test_textures_are_independent_of_shapes_and_of_both_sets(textured):
    for other in (textured["background"], textured["label"]):
        table = np.zeros((other.max() + 1, 4))
        np.add.at(table, (other.astype(int), textured["texture"]), 1)
        assert scipy.stats.chi2_contingency(table).pvalue > 1e-3
    assert np.bincount(textured["texture"]).min() > 150


def test_shapes_cover_textures(textured):
    luma = textured["image"] @ np.array([0.299, 0.587, 0.114]) / 255
    for image, mask in zip(luma, textured["mask"], strict=True):
        inside, outside = image[scipy.ndimage.binary_erosion(mask)], image[~mask]
        if inside.size:
            # Flat but for the noise, and off the middle of the texture.
            assert inside.std() < 0.06
            assert abs(np.median(inside) - outside.mean()) > 0.25
    alone = luma[textured["background"]].reshape(-1, 32 * 32)
    # Deeper than noise and less than shapes; colours at the limits lose some of it.
    assert np.median(alone.std(axis=1)) == pytest.approx(0.1, abs=0.03)


def test_textures_differ_in_what_they_repeat(textured):
    """Stripes vary along one direction alone: their gradients do, and no others."""
    gray = textured["image"][textured["background"]].mean(axis=-1)
    texture = textured["texture"][textured["background"]]
    down, right = np.gradient(gray, axis=(1, 2))
    moments = [
        np.mean(a * b, axis=(1, 2)) for a, b in ((down, down), (right, right), (down, right))
    ]
    spread = np.hypot(moments[0] - moments[1], 2 * moments[2]) / (moments[0] + moments[1])
    medians = [np.median(spread[texture == i]) for i in range(4)]
    assert medians[0] > 0.6
    assert max(medians[1:]) < 0.3


def test_pinned_and_independent_of_their_number(textured):
    assert digest(*(array[:32] for array in textured.values())) == "4069ab9fd99ddc09"
    few = make_textured("train", 130, background_share=0.5).arrays
    assert_same_arrays(few, {key: array[:130] for key, array in textured.items()})


def test_options():
    test = open_source("textured", "test", train_examples=9, test_examples=40)
    assert (len(test), test.n_classes) == (40, 9)
    assert not test.arrays["background"].any()
    train = open_source("textured", "train", train_examples=40, background_share=0.0)
    assert not train.arrays["background"].any()
    with pytest.raises(UserError, match="background_share=2"):
        open_source("textured", "train", background_share=2.0)
