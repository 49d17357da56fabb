import numpy as np
import pytest

from jcl.data.prepare.styles import STYLES, style_images
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest, labelled


@pytest.fixture(scope="module")
def styled():
    return style_images(labelled(shape=(8, 8, 3)), held_out="gradient", seed=0)


def test_the_held_out_style_is_that_of_the_test_images_alone(styled):
    held_out = STYLES.index("gradient")
    assert (styled["test"]["domain"] == held_out).all()
    counts = np.bincount(styled["train"]["domain"], minlength=4)
    assert counts[held_out] == 0
    assert (counts[np.arange(4) != held_out] > 100).all()  # of 400
    assert_same_arrays(styled["train"], labelled(shape=(8, 8, 3))["train"], "label", "position")
    every = style_images(labelled(), held_out=None, seed=0)
    assert all(len(np.unique(every[split]["domain"])) == 4 for split in every)


def test_each_style_is_what_it_is_called():
    image = np.full((400, 9, 9, 3), 128, np.uint8)
    image[:, 4, 4], image[:, 4, 5] = 0, 255
    splits = {"train": {"image": image}, "test": {"image": image}}
    made = style_images(splits, held_out=None, seed=0)["train"]
    x = made["image"].astype(float)
    plain, cast, gradient, contrast = (x[made["domain"] == i] for i in range(4))
    np.testing.assert_array_equal(plain, image[: len(plain)])
    red, green, blue = np.moveaxis(cast[:, 0, 0], -1, 0)
    assert (green == 128).all()
    assert (red < 0.65 * green).all()
    assert (blue < 0.85 * green).all()
    slopes = gradient[:, 8, 8] - gradient[:, 0, 0]
    assert (slopes > 0.6 * 2 * 95).all()
    np.testing.assert_allclose(gradient[:, 8, 0], 128, atol=1)  # along the diagonal alone
    span = contrast[:, 4, 5] - contrast[:, 4, 4]
    assert (span < 0.62 * 255).all()
    assert (span > 0.34 * 255).all()
    # Strengths differ.
    assert len(np.unique(span)) > 20


def test_one_style_for_all():
    made = style_images(labelled(shape=(8, 8, 3)), held_out=None, seed=0, only="plain")
    assert all((made[split]["domain"] == STYLES.index("plain")).all() for split in made)
    np.testing.assert_array_equal(made["test"]["image"], labelled(shape=(8, 8, 3))["test"]["image"])
    with pytest.raises(UserError, match="only='blur' is unknown"):
        style_images(labelled(), held_out=None, seed=0, only="blur")


def test_gray_images_become_coloured_and_pinned():
    made = style_images(labelled(), held_out=None, seed=0)["train"]
    assert made["image"].shape == (400, 6, 6, 3)
    assert digest(made["image"], made["domain"]) == "518bcb3fcec36962"


def test_refuses_in_one_sentence(styled):
    for splits, held_out, message in [
        (labelled(), "blur", "held_out='blur' is unknown; allowed: plain, cast"),
        (labelled(shape=(4, 4, 4)), None, "1 or 3 channels, but these have 4"),
        (styled, None, "would replace the domain"),
    ]:
        with pytest.raises(UserError, match=message):
            style_images(splits, held_out=held_out, seed=0)
