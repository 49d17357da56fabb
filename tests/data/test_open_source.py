import pytest

from jcl.data import open_source
from jcl.errors import UserError


@pytest.mark.parametrize("name", ["", "shape", "tfds", "tfds:", "arrays:", "shapes:x", "imagenet"])
def test_unknown_name_lists_the_allowed_ones(name):
    with pytest.raises(UserError, match=r"shapes, tfds:NAME or arrays:PATH\.npz"):
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
        ("arrays:x.npz", {"label_key": "label"}),
        ("tfds:mnist", {"test_examples": 5}),
    ],
)
def test_option_the_source_does_not_take(name, option):
    with pytest.raises(UserError, match=f"data.{next(iter(option))}=.*takes"):
        open_source(name, "train", **option)


def test_options_of_the_other_split_are_taken():
    assert len(open_source("shapes", "test", train_examples=5, test_examples=3)) == 3
