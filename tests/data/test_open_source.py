import numpy as np
import pytest

from jcl.data import open_source
from jcl.errors import UserError


@pytest.mark.parametrize("name", ["", "shape", "tfds", "tfds:", "arrays:", "imagenet", "a b:c"])
def test_unknown_name_lists_the_allowed_ones(name):
    with pytest.raises(
        UserError, match=r"shapes, scenes, .*, tfds:NAME, folder:PATH, arrays:PATH\.npz, or an add"
    ):
        open_source(name, "train")


def test_unknown_split():
    with pytest.raises(UserError, match=r"'val'.*'train' or 'test'"):
        open_source("shapes", "val")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("shapes", {"dir": "/data"}),
        ("shapes", {"image_key": "image"}),
        ("arrays:x.npz", {"train_examples": 5}),
        ("arrays:x.npz", {"dir": "/data"}),
        ("arrays:x.npz", {"image_key": "image"}),
        ("tfds:mnist", {"test_examples": 5}),
    ],
)
def test_option_the_source_does_not_take(name, option):
    with pytest.raises(UserError, match=f"data.{next(iter(option))}=.* takes no such option"):
        open_source(name, "train", **option)


def test_options_of_the_other_split_are_taken():
    assert len(open_source("shapes", "test", train_examples=5, test_examples=3)) == 3


def test_size_of_images_that_are_taken_as_they_are(tmp_path):
    """A config may name it, so that a run can be compiled without data; it must be true."""

    def save(name, **arrays):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        return f"arrays:{tmp_path}/{name}.npz"

    square = save("square", train_image=np.zeros((2, 6, 6, 3), np.uint8))
    oblong = save("oblong", train_image=np.zeros((2, 6, 5, 3), np.uint8))
    features = save("features", train_features=np.zeros((2, 6), np.float32))
    assert open_source("shapes", "train", train_examples=2, image_size=32).image_shape[0] == 32
    assert open_source(square, "train", image_size=6).image_shape == (6, 6, 3)
    for name, size, holds in [
        ("shapes", 64, "32x32 images"),
        (square, 5, "6x6 images"),
        (oblong, 6, "6x5 images"),
        (features, 6, "features"),
    ]:
        with pytest.raises(UserError, match=f"data.image_size={size} .*{holds}.*unset"):
            open_source(name, "train", image_size=size)
