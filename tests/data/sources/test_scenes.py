import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from jcl.data import open_source
from jcl.data.sources.scenes import make_scenes
from jcl.errors import UserError
from tests.data.prepare.labelled import assert_same_arrays, digest


@pytest.fixture(scope="module")
def scenes():
    return make_scenes("train", 400).arrays


def test_labels_name_the_shapes_that_have_masks(scenes):
    count = scenes["labels"].sum(axis=1)
    assert set(count) == {1, 2, 3, 4}
    assert scipy.stats.chisquare(np.bincount(count)[1:]).pvalue > 1e-3
    assert scipy.stats.chisquare(scenes["labels"].sum(axis=0)).pvalue > 1e-3
    there = scenes["shape"] >= 0
    np.testing.assert_array_equal(there.sum(axis=1), count)
    np.testing.assert_array_equal(scenes["mask"].any(axis=(2, 3)), there)
    for labels, shapes in zip(scenes["labels"], scenes["shape"], strict=True):
        assert sorted(shapes[shapes >= 0]) == np.flatnonzero(labels).tolist()


def test_masks_are_disjoint_and_stand_off_their_ground(scenes):
    masks = scenes["mask"]
    assert masks.sum(axis=1).max() == 1
    assert not masks[..., [0, -1], :].any()
    luma = scenes["image"] @ np.array([0.299, 0.587, 0.114]) / 255
    for image, mask in zip(luma, masks, strict=True):
        ground = np.median(image[~scipy.ndimage.binary_dilation(mask.any(axis=0))])
        for own in mask[mask.any(axis=(1, 2))]:
            assert scipy.ndimage.label(own, np.ones((3, 3)))[1] == 1
            # At least 0.35, less the gradient.
            assert abs(np.median(image[own]) - ground) > 0.15


def test_pinned_and_independent_of_their_number(scenes):
    assert digest(*(array[:32] for array in scenes.values())) == "ba5f3b8657aa5ca2"
    assert_same_arrays(
        make_scenes("train", 70).arrays, {key: array[:70] for key, array in scenes.items()}
    )
    others = (make_scenes("test", 5).arrays, make_scenes("train", 5, seed=1).arrays)
    assert all((other["image"] != scenes["image"][:5]).any() for other in others)


def test_options():
    source = open_source("scenes", "test", test_examples=3, train_examples=5, image_size=48)
    assert (len(source), source.image_shape, source.n_classes) == (3, (48, 48, 3), None)
    with pytest.raises(UserError, match="image_size=32"):
        open_source("scenes", "train", train_examples=2, image_size=32)
