import hashlib

import numpy as np
import pytest

from jcl.data import open_source, source_options
from jcl.data.sources import shapes
from jcl.errors import UserError

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def train():
    return open_source("shapes", "train", train_examples=2000)


def test_source(train):
    assert len(train) == 2000
    assert (train.image_shape, train.n_classes, train.in_memory) == ((32, 32, 3), 8, True)
    batch = train.batch(np.array([3, 1, 3]))
    assert {k: (v.dtype.name, v.shape) for k, v in batch.items()} == {
        "image": ("uint8", (3, 32, 32, 3)),
        "label": ("int32", (3,)),
        "target": ("float32", (3,)),
    }
    np.testing.assert_array_equal(batch["image"][0], batch["image"][2])
    assert np.bincount(train.arrays["label"]).tolist() == [250] * 8
    target = train.arrays["target"]
    assert 0 <= target.min() < 0.01 < 0.99 < target.max() < 1


def test_default_sizes():
    taken = source_options("shapes")
    assert (taken["train_examples"].default, taken["test_examples"].default) == (10_000, 2_000)


@pytest.mark.parametrize(
    ("split", "image", "target"),
    [
        ("train", "30d3db3d5e2da95a", "24999cf3ffa0be87"),
        ("test", "c05217d420f9d5db", "801bbebb2aa6f4ef"),
    ],
)
def test_images_are_pinned(split, image, target):
    """Bit for bit, on any CPU and with any NumPy: scores on this dataset compare across years."""
    arrays = shapes.make_shapes(split, 64).arrays
    assert hashlib.sha256(arrays["image"].tobytes()).hexdigest()[:16] == image
    assert hashlib.sha256(arrays["target"].astype("<f4").tobytes()).hexdigest()[:16] == target


def test_example_does_not_depend_on_their_number(train):
    for count in (1, 127, 129, 300):
        few = shapes.make_shapes("train", count).arrays
        for key, array in few.items():
            np.testing.assert_array_equal(array, train.arrays[key][:count])


def test_images_from_a_later_one_on_and_of_another_size(train):
    later = shapes.make_shapes("train", 300, first=130).arrays
    for key, array in later.items():
        np.testing.assert_array_equal(array, train.arrays[key][130:430])
    smaller = shapes.make_shapes("train", 300, first=130, scale=(0.3, 0.4)).arrays
    for key in ("label", "target"):
        np.testing.assert_array_equal(smaller[key], later[key])
    assert (smaller["image"] != later["image"]).any((1, 2, 3)).all()


def test_no_image_is_in_both_splits(train):
    test = shapes.make_shapes("test", 500).arrays["image"]
    seen = {image.tobytes() for image in train.arrays["image"]}
    assert len(seen) == 2000
    assert not any(image.tobytes() in seen for image in test)


def test_shape_stands_out_in_brightness(train):
    luma = train.arrays["image"].astype(np.float64) @ LUMA / 255
    border = np.concatenate([luma[:, 0], luma[:, -1], luma[:, :, 0], luma[:, :, -1]], axis=1)
    ground = np.median(border, axis=1)
    away = np.quantile(np.abs(luma - ground[:, None, None]), 0.95, axis=(1, 2))
    # At least 0.35, less what gradient (0.15 an axis) and noise can take away.
    assert away.min() > 0.2
    assert np.median(away) > 0.35


def test_nuisances_tell_neither_class_nor_target(train):
    image = train.arrays["image"].astype(np.float64)
    corners = image[:, [0, 0, -1, -1], [0, -1, 0, -1]].reshape(2000, -1)  # background only, mostly
    label, target = train.arrays["label"], train.arrays["target"]
    for values in corners.T:
        assert abs(np.corrcoef(values, target)[0, 1]) < 0.1
        means = [values[label == c].mean() for c in range(8)]
        assert np.ptp(means) < 0.5 * values.std()


def test_roundness_changes_every_shape_a_little():
    words = shapes._words("train", 0, 64)
    label = (np.arange(64) % 8).astype(np.int32)
    words[:, 0] = 0
    sharp, low = shapes._render(words, label, (0.5, 0.8))
    words[:, 0] = 2**64 - 1
    round_, high = shapes._render(words, label, (0.5, 0.8))
    assert low.max() == 0
    assert high.min() == 1
    changed = (sharp != round_).any(axis=-1).mean(axis=(1, 2))
    for c in range(8):
        assert 0.01 < changed[label == c].mean() < 0.2, shapes.CLASSES[c]


def test_number_of_examples_must_be_positive():
    with pytest.raises(UserError, match="train_examples=0"):
        open_source("shapes", "train", train_examples=0)
