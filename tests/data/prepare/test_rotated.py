"""Turned images, against SciPy's rotation, and angles against their distribution."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from jcl.data.prepare.rotated import rotate, rotate_images
from jcl.errors import UserError


def smooth(n, size=28, channels=1):
    """Images of a few broad blobs off the middle, black at the edges."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    image = np.zeros((n, size, size, channels))
    for _ in range(4):
        cy, cx = rng.uniform(-size / 5, size / 5, (2, n, 1, 1, channels))
        height = rng.uniform(40, 60, (n, 1, 1, channels))
        squared = (y[None, ..., None] - cy) ** 2 + (x[None, ..., None] - cx) ** 2
        image += height * np.exp(-squared / (2 * (size / 10) ** 2))
    return image.round().astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("angle", [-60.0, -7.5, 20.0, 57.0, 180.0])
def test_agrees_with_scipy(angle, channels):
    """`scipy.ndimage.rotate` turns the first axis (down) towards the second: counter-clockwise."""
    for image in smooth(3, size=48, channels=channels):
        turned = rotate(image, angle)
        assert turned.dtype == np.uint8

        def error(by, image=image, turned=turned):
            expected = scipy.ndimage.rotate(image.astype(float), by, reshape=False, order=3)
            return np.sqrt(np.mean((turned - expected) ** 2))

        # Of blobs of 90 to 150; Pillow rounds down, and its cubic filter is another one.
        assert error(angle) < 0.7
        assert min(error(angle - 1), error(angle + 1)) > 1.15 * error(angle)
        assert error(angle - 1) == pytest.approx(error(angle + 1), rel=0.05)
        assert angle == 180 or error(-angle) > 4


def test_a_bright_point_on_the_right_goes_up():
    image = np.zeros((9, 9, 1), np.uint8)
    image[4, 8] = 255
    assert np.argwhere(rotate(image, 90.0)[..., 0]).tolist() == [[0, 4]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_no_angle_changes_nothing(channels):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)
    np.testing.assert_array_equal(rotate(image, 0.0), image)


def test_corners_are_black():
    turned = rotate(np.full((28, 28, 3), 255, np.uint8), 45.0)
    assert not turned[[0, 0, -1, -1], [0, -1, 0, -1]].any()


@pytest.fixture(scope="module")
def splits():
    image = smooth(3000, size=5)
    label = (np.arange(3000) % 7).astype(np.int32)
    return {split: {"image": image, "label": label} for split in ("train", "test")}


@pytest.fixture(scope="module")
def turned(splits):
    return rotate_images(splits, degrees=60.0, seed=0)


def test_the_target_is_the_angle_that_was_used(splits, turned):
    for split, arrays in turned.items():
        np.testing.assert_array_equal(arrays["label"], splits[split]["label"])
        for i in (0, 1, 2999):
            expected = rotate(splits[split]["image"][i], float(arrays["target"][i]))
            np.testing.assert_array_equal(arrays["image"][i], expected)
    assert "target" not in splits["train"]


def test_angles_are_uniform_and_differ_between_splits(turned):
    train, test = (turned[split]["target"] for split in ("train", "test"))
    assert train.dtype == np.float32
    for angles in (train, test):
        assert scipy.stats.kstest(angles, "uniform", (-60, 120)).pvalue > 1e-3
    assert abs(np.corrcoef(train, test)[0, 1]) < 0.07  # four standard deviations
    assert abs(np.corrcoef(train[1:], train[:-1])[0, 1]) < 0.07


def test_an_angle_is_a_function_of_split_position_and_seed(splits, turned):
    few = {split: {k: a[:10] for k, a in arrays.items()} for split, arrays in splits.items()}
    again = rotate_images(few, degrees=60.0, seed=0)
    for split in few:
        np.testing.assert_array_equal(again[split]["target"], turned[split]["target"][:10])
    other = rotate_images(few, degrees=60.0, seed=1)
    assert not np.isclose(other["train"]["target"], again["train"]["target"]).any()
    # Pinned: no upgrade of NumPy may change a dataset.
    np.testing.assert_array_equal(
        again["train"]["target"][:3],
        np.float32([-58.6143913269043, -31.014097213745117, -46.62889862060547]),
    )
    rotate_images(few, degrees=60.0, seed=-1)


@pytest.mark.parametrize(
    ("degrees", "extra", "message"),
    [
        (0.0, {}, "rotate=0 is impossible"),
        (181.0, {}, "at most 180"),
        (float("nan"), {}, "rotate=nan is impossible"),
        (60.0, {"target": np.zeros(3, np.float32)}, "train split has a target"),
        (60.0, {"mask": np.zeros((3, 5, 5), bool)}, "moves pixels.* mask of the train split"),
    ],
)
def test_refuses_in_one_sentence(degrees, extra, message):
    split = {"image": smooth(3, size=5), **extra}
    with pytest.raises(UserError, match=message):
        rotate_images({"train": split, "test": split}, degrees=degrees, seed=0)


def test_features_are_refused():
    split = {"features": np.zeros((3, 2), np.float32)}
    with pytest.raises(UserError, match="train split has none"):
        rotate_images({"train": split, "test": split}, degrees=60.0, seed=0)
