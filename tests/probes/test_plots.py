import matplotlib.image
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.probes import embedding_map, loss_curve, tsne, views_grid
from jcl.probes.contact_sheet import Found, contact_sheet
from tests.probes.blobs import blobs


def picture(path):
    """The picture, which must have more on it than a white page."""
    image = matplotlib.image.imread(path)[..., :3]
    assert image.min() < 0.5 < image.max()
    return image


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_views_grid(tmp_path, channels):
    rng = np.random.default_rng(0)
    views = rng.random((3, 2, 8, 8, channels)).astype(np.float32)
    originals = rng.integers(0, 256, (3, 12, 12, channels)).astype(np.uint8)
    views_grid(views, tmp_path / "views.png")
    views_grid(views, tmp_path / "new" / "with.png", originals=originals)
    narrow, wide = picture(tmp_path / "views.png"), picture(tmp_path / "new" / "with.png")
    assert wide.shape[1] > narrow.shape[1]


@pytest.mark.parametrize("n", [1, 10, 400])
def test_loss_curve(tmp_path, n):
    loss_curve(range(1, n + 1), np.linspace(5, 3, n), tmp_path / "loss.png")
    picture(tmp_path / "loss.png")


def test_embedding_map(tmp_path):
    features, labels = blobs(60, seed=0)
    positions = tsne(features)
    embedding_map(positions, labels, tmp_path / "a.png", class_names=list("vwxyz"))
    first = picture(tmp_path / "a.png")
    embedding_map(tsne(features), labels, tmp_path / "b.png", class_names=list("vwxyz"))
    np.testing.assert_array_equal(first, picture(tmp_path / "b.png"))
    embedding_map(positions, features[:, 0], tmp_path / "target.png")  # a colour bar
    picture(tmp_path / "target.png")
    embedding_map(tsne(features[:30]), np.arange(30), tmp_path / "many.png")
    embedding_map(tsne(np.ones_like(features)), labels, tmp_path / "collapsed.png")
    embedding_map(tsne(features[:4, :1]), labels[:4], tmp_path / "four.png")


def test_a_map_of_many_rows_shows_evenly_spaced_ones():
    features, _ = blobs(61, seed=0)
    whole, part = tsne(features[::2]), tsne(features, max_points=31)
    np.testing.assert_array_equal(part.rows, np.arange(0, 61, 2))
    np.testing.assert_array_equal(part.position, whole.position)


def test_mistakes_are_told(tmp_path):
    with pytest.raises(UserError, match="as many losses"):
        loss_curve([1, 2], [1.0], tmp_path / "loss.png")
    with pytest.raises(UserError, match="4 or more rows"):
        tsne(np.ones((3, 2), np.float32))
    with pytest.raises(UserError, match="a label for each row"):
        embedding_map(tsne(blobs(9, seed=0)[0]), np.zeros(3, np.int32), tmp_path / "map.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_contact_sheet_of_satellite_images_shows_their_brightness(channels, tmp_path):
    dim = np.full((6, 6, channels), 60 * 257, np.uint16)
    contact_sheet([Found(dim, ["an answer"], [False])], tmp_path / "dim.png", title="Dim")
    colours = 255 * picture(tmp_path / "dim.png")
    assert (abs(colours - 60).max(-1) < 2).mean() > 0.1


def test_contact_sheet(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    long = "a text that is far longer than what fits into the square, so it is cut " * 3
    rows = [Found(image, ["one", long, "three"], [False, True, False])] * 2
    contact_sheet(rows, tmp_path / "texts.png", title="Texts")
    contact_sheet(
        [Found("a query", [image, image[..., :1]], [True, False])],
        tmp_path / "images.png",
        title="Images",
    )
    for name in ("texts", "images"):
        colours = picture(tmp_path / f"{name}.png").reshape(-1, 3)
        green = np.array([44, 160, 44]) / 255  # tab:green
        assert (abs(colours - green).max(1) < 0.02).sum() > 100
    wrong = [Found("a query", ["a wrong answer"], [False])]
    contact_sheet(wrong, tmp_path / "wrong.png", title="Wrong")
    colours = picture(tmp_path / "wrong.png").reshape(-1, 3)
    assert not (abs(colours - green).max(1) < 0.02).any()
