"""The pictures beside results.json."""

from collections.abc import Iterator

import numpy as np

from jcl.augment.views import IMAGES
from jcl.data import Source
from jcl.data.text.tokenised import Tokenised
from jcl.data.unrolled import PAIR, PLACE, ROW
from jcl.evaluation.pairs import EmbeddedPairs
from jcl.evaluation.views import DrawViews
from jcl.probes import Features, embedding_map, loss_curve, tsne, views_grid
from jcl.probes.contact_sheet import Found, contact_sheet
from jcl.probes.kept_map import remove_map, write_map
from jcl.probes.ordinality import evenly_spaced
from jcl.probes.plots import LEAST_MAPPED
from jcl.runtime.folder import Folder
from jcl.runtime.metrics import read_metrics

_PICTURED = 8  # number of examples whose views are shown, and of queries
_ANSWERS = 5  # per query
_READ = 64  # images at a time


def draw(
    draw_views: DrawViews, workdir: Folder, figures: Folder, test_features: Features, test: Source
) -> None:
    """Draws views, the loss curve and maps of the features, as far as the run has them.

    A map is kept besides, with small pictures of its images (`jcl.probes.kept_map`), for the page
    of `jcl.report`.

    Args:
        draw_views: see `jcl.evaluation.views.view_drawer`.
        workdir: of the run.
        figures: the folder for the pictures; it is made.
        test_features: the features for the maps.
        test: the test split.
    """
    figures.mkdir(exist_ok=True)
    if test.image_shape is not None:
        count = min(_PICTURED, len(test))
        (views,) = draw_views(test, count)
        if IMAGES in views:  # a method of texts has none, whatever else examples have
            originals = test.batch(np.arange(count))["image"]
            originals = originals / np.float32(np.iinfo(originals.dtype).max)
            drawn = np.asarray(views[IMAGES], np.float32)
            views_grid(drawn, figures / "views.png", originals=originals)
    lines = read_metrics(workdir)
    if lines:
        loss_curve([x["step"] for x in lines], [x["loss"] for x in lines], figures / "loss.png")
    label, target = test_features.label, test_features.target
    told_apart = label is not None or target is not None or test.image_shape is not None
    if not told_apart or len(test) < LEAST_MAPPED:
        remove_map(figures)
        return
    positions, names = tsne(test_features.features), getattr(test, "class_names", None)
    images = None if test.image_shape is None else _images(test, positions.rows)
    write_map(figures, positions, label=label, target=target, class_names=names, images=images)
    if label is not None:
        embedding_map(positions, label, figures / "embeddings.png", class_names=names)
    if target is not None:
        embedding_map(positions, target, figures / "targets.png")


def _images(test: Source, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The images of some rows, of which few are held at a time."""
    for start in range(0, len(rows), _READ):
        yield from test.batch(rows[start : start + _READ])["image"]


def draw_retrieved(figures: Folder, pairs: EmbeddedPairs, test: Source) -> None:
    """Draws the nearest texts of eight evenly spaced test images, and the reverse.

    Writes found_texts.png and found_images.png if the texts were strings and examples have images.

    Args:
        figures: the folder for the pictures.
        pairs: embeddings of all images and texts of the split.
        test: the test split.
    """
    if not isinstance(test, Tokenised) or test.image_shape is None:
        return
    images, texts = pairs

    def image(i):
        row, place = (int(images.known[key][i]) for key in (ROW, PLACE))
        found = test.batch(np.array([row]))["image"][0]
        return found[place] if found.ndim == 4 else found

    def text(i):
        found = test.texts(texts.known[ROW][i : i + 1])[0]
        return str(found if np.ndim(found) == 0 else found[texts.known[PLACE][i]])

    for name, title, queries, show, keys, show_key in (
        ("found_texts", "Texts nearest to test images", images, image, texts, text),
        ("found_images", "Images nearest to test texts", texts, text, images, image),
    ):
        chosen = evenly_spaced(len(queries.features), _PICTURED)
        nearest = np.argsort(-queries.features[chosen] @ keys.features.T, axis=1)[:, :_ANSWERS]
        right = keys.known[PAIR][nearest] == queries.known[PAIR][chosen][:, None]
        rows = [
            Found(show(query), [show_key(key) for key in found], is_right)
            for query, found, is_right in zip(chosen, nearest, right, strict=True)
        ]
        contact_sheet(rows, figures / f"{name}.png", title=title)
