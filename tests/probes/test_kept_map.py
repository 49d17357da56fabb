import json

import numpy as np
import pytest
from PIL import Image

from jcl.probes.kept_map import MAP, SPRITE, THUMBNAIL, read_map, remove_map, sprite, write_map
from jcl.probes.plots import Map

NAMES = list("abcdefghij")


def colours(images):
    """The colour in the middle of each thumbnail."""
    picture = np.asarray(sprite(images, len(images)))
    middles = picture[THUMBNAIL // 2 :: THUMBNAIL, THUMBNAIL // 2 :: THUMBNAIL]
    return middles.reshape(-1, 3)[: len(images)]


@pytest.mark.parametrize(
    ("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)]
)
def test_a_thumbnail_has_the_colour_of_its_image(dtype, white):
    shades = np.linspace(0, 1, 70)[:, None] * [[1.0, 0.5, 0.0]]
    images = np.tile((white * shades)[:, None, None], (1, 6, 9, 1)).astype(dtype)
    np.testing.assert_allclose(colours(images), 255 * shades, atol=1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_any_number_of_channels(channels):
    image = np.zeros((3, 64, 40, channels), np.uint8)
    image[..., 0] = 200
    want = [200] * 3 if channels < 3 else [200, 0, 0]
    np.testing.assert_array_equal(colours(image), [want] * 3)


def test_an_image_keeps_its_proportions():
    picture = np.asarray(sprite([np.full((10, 20, 3), 255, np.uint8)], 1))
    assert picture.shape == (THUMBNAIL, THUMBNAIL, 3)
    np.testing.assert_array_equal(
        (picture == 255).all((1, 2)), [False] * 8 + [True] * 16 + [False] * 8
    )


def test_a_map_comes_back(tmp_path):
    features = Map(np.array([3, 1]), np.array([[1.23456, 2.0], [np.float32(-0.5), 4.0]]))
    label, target = np.array([9, 8, 7, 6]), np.array([0.5, np.inf, 1.5, 2.5], np.float32)
    images = np.zeros((2, 5, 5, 3), np.uint8)
    write_map(tmp_path, features, label=label, target=target, images=images, class_names=NAMES)
    kept = read_map(tmp_path)
    assert (kept.rows, kept.label, kept.target) == ([3, 1], [6, 8], [2.5, None])
    np.testing.assert_allclose(kept.position, features.position, atol=5e-5)
    assert kept.class_names == NAMES
    assert Image.open(tmp_path / SPRITE).size == (2 * kept.thumbnail, kept.thumbnail)
    write_map(tmp_path, features)
    assert read_map(tmp_path)[2:] == (None,) * 4
    assert not (tmp_path / SPRITE).exists()
    remove_map(tmp_path)
    remove_map(tmp_path)
    assert read_map(tmp_path) is None


def test_a_damaged_map_is_refused(tmp_path):
    write_map(tmp_path, Map(np.arange(4), np.zeros((4, 2))), label=np.arange(4))
    kept = json.loads((tmp_path / MAP).read_text())
    (tmp_path / MAP).write_text(json.dumps({**kept, "label": [1]}))
    with pytest.raises(ValueError, match="different lengths"):
        read_map(tmp_path)
