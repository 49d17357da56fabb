"""Datasets of one's own: this module is the user's."""

import numpy as np
import pytest

from jcl.data import InMemorySource, Source, open_source, source_options
from jcl.errors import UserError

HERE = __name__


def zeros(split, *, dir=None, image_size=8):
    image = np.zeros((len(split), image_size, image_size, 3), np.uint8)
    return InMemorySource({"image": image})


def odd(split, *, dir):
    """One example that is wrong in a way that `dir` names."""
    arrays = {"image": np.zeros((3, 4, 4, 1), np.uint8), "label": np.zeros(3, np.int32)}
    if dir == "floats":
        arrays["image"] = arrays["image"] / np.float32(255)
    elif dir == "int64":
        arrays["label"] = arrays["label"].astype(np.int64)
    elif dir == "unlabelled":
        del arrays["label"]
    return InMemorySource(arrays, n_classes=2)


class Own:
    """A source that inherits nothing."""

    image_shape, n_classes, in_memory = (4, 4, 3), None, True

    def __init__(self, split, **options):
        self.split, self.options = split, options

    def __len__(self):
        return 5

    def batch(self, indices):
        return {"image": np.zeros((len(indices), 4, 4, 3), np.uint8)}


class Flat(Own):
    """Gray images without their last axis."""

    image_shape = (4, 4)


def needs_a_folder(split, dir):
    return zeros(split)


def lists(split):
    return [1, 2]


def fails(split):
    raise RuntimeError("of their own")


def test_a_function_is_called_with_the_split_and_the_options_that_are_set():
    source = open_source(f"{HERE}:zeros", "train", image_size=6, train_split=None)
    assert (len(source), source.image_shape) == (5, (6, 6, 3))
    assert open_source(f"{HERE}:zeros", "test").image_shape == (8, 8, 3)


def test_options_that_are_taken():
    assert set(source_options(f"{HERE}:zeros")) == {"dir", "image_size"}
    assert {"label_key", "train_examples"} <= set(source_options(f"{HERE}:Own"))
    assert set(source_options("arrays:some.npz")) == {"image_size", "image_range", "label_key"}


def test_a_class_will_do():
    source = open_source(f"{HERE}:Own", "test", dir="/data", label_key="class")
    assert isinstance(source, Source)
    assert (source.split, source.options) == ("test", {"dir": "/data", "label_key": "class"})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tdfs:mnist", {}, "cannot be imported: No module named 'tdf"),
        (f"{HERE}.absent:zeros", {}, "imported"),
        (f"{HERE}:absent", {}, "imported.*'absent'"),
        (
            f"{HERE}:zeros",
            {"label_key": "x"},
            "data.label_key='x' is set, .* takes no such option; it",
        ),
        (f"{HERE}:needs_a_folder", {}, "is called with .*but missing a required argument: 'dir'"),
        (f"{HERE}:HERE", {}, "is neither a function"),
        (
            f"{HERE}:odd",
            {"dir": "floats"},
            r"float32 \[1, 4, 4, 1\] as 'image'.*uint8 \[1, 4, 4, 1\]",
        ),
        (f"{HERE}:odd", {"dir": "int64"}, r"int64 \[1\] as 'label' .* must be int32 \[1\]$"),
        (f"{HERE}:odd", {"dir": "unlabelled"}, "nothing as 'label'"),
        (f"{HERE}:Flat", {}, r"image_shape=\(4, 4\), but it must be \(H, W, C\)"),
        (f"{HERE}:lists", {}, "returned a list.*jcl.data.Source.*no image_shape, .*, batch$"),
    ],
)
def test_errors_in_one_sentence(name, options, message):
    with pytest.raises(UserError, match=message) as error:
        open_source(name, "train", **options)
    assert "\n" not in str(error.value)


def test_errors_of_the_function_itself_are_not_rewritten():
    with pytest.raises(RuntimeError, match="of their own"):
        open_source(f"{HERE}:fails", "train")


def sentences(split):
    return InMemorySource({"text": np.array([f"{split} a", f"{split} b"])})


def test_examples_may_be_texts_alone():
    source = open_source(f"{HERE}:sentences", "test")
    assert source.image_shape is None
    assert source.batch(np.arange(2))["text"].tolist() == ["test a", "test b"]


def clips(split):
    return InMemorySource({"video": np.zeros((3, 4, 8, 8, 3), np.uint8)})


def drawings(split, several="yes"):
    arrays = {"image": np.zeros((3, 2, 8, 8, 3), np.uint8), "image_mask": np.ones((3, 2), bool)}
    if several == "no":
        del arrays["image_mask"]
    return InMemorySource(arrays)


def nothing(split):
    return InMemorySource({"target": np.zeros(3, np.float32)})


def test_examples_may_hold_other_inputs_or_several_images():
    assert open_source(f"{HERE}:clips", "train").batch(np.arange(2))["video"].shape[0] == 2
    assert open_source(f"{HERE}:drawings", "train").image_shape == (8, 8, 3)
    with pytest.raises(UserError, match=r"'image' of one example, but it must be .*1, 8, 8, 3"):
        open_source(f"{HERE}:drawings", "train", several="no")
    with pytest.raises(UserError, match="nothing as 'features' of one example"):
        open_source(f"{HERE}:nothing", "train")
