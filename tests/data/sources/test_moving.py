import numpy as np
import pytest

from jcl.data import open_source
from jcl.data.sources.moving import MOTIONS, make_moving
from tests.data.prepare.labelled import assert_same_arrays, digest


@pytest.fixture(scope="module")
def moving():
    return make_moving("train", 128).arrays


def test_every_class_has_every_motion(moving):
    counts = np.zeros((8, 4), int)
    np.add.at(counts, (moving["label"], moving["motion"]), 1)
    assert (counts == 4).all()
    assert moving["video"].shape == (128, 8, 32, 32, 3)
    assert moving["video"].dtype == np.uint8


def tracks(clip):
    """Area and centre of the shape in each frame, by its difference in brightness."""
    luma = clip @ np.array([0.299, 0.587, 0.114])
    border = np.concatenate([luma[..., 0, :], luma[..., -1, :]], axis=-1)
    mask = np.abs(luma - np.median(border, axis=-1)[..., None, None]) > 45
    area = mask.sum(axis=(-1, -2))
    y, x = np.mgrid[:32, :32] - 15.5
    centre = np.stack([(mask * x).sum((-1, -2)), (mask * y).sum((-1, -2))], -1) / area[..., None]
    return area, centre


def test_motions_are_what_they_are_called(moving):
    area, centre = tracks(moving["video"].astype(float))
    growth = area[:, -1] / area[:, 0]
    path = np.linalg.norm(np.diff(centre, axis=1), axis=-1).sum(axis=1)
    direct = np.linalg.norm(centre[:, -1] - centre[:, 0], axis=-1)
    median = {
        name: [np.median(values[moving["motion"] == i]) for values in (growth, path, direct / path)]
        for i, name in enumerate(MOTIONS)
    }
    assert median["grow"][0] > 2
    assert median["shrink"][0] < 0.5
    for name in ("slide", "orbit"):
        assert median[name][0] == pytest.approx(1, abs=0.1)
        assert median[name][1] > 8  # pixels
    assert median["slide"][2] > 0.9
    assert median["orbit"][2] < 0.6


def test_noise_is_new_in_every_frame(moving):
    corner = moving["video"][:, :, 0, 0].astype(float)
    assert (np.ptp(corner, axis=1).max(axis=-1) > 0).mean() > 0.95


def test_pinned_and_independent_of_their_number(moving):
    assert digest(*(array[:16] for array in moving.values())) == "79d90d734aeb1ba9"
    few = make_moving("train", 33).arrays
    assert_same_arrays(few, {key: array[:33] for key, array in moving.items()})


def test_options():
    source = open_source("moving", "test", train_examples=9, test_examples=5)
    assert (len(source), source.image_shape, source.n_classes) == (5, None, 8)
