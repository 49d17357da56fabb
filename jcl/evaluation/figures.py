"""The pictures beside results.json."""

import numpy as np

from jcl.data import Source
from jcl.evaluation.views import views_of
from jcl.experiment import Experiment
from jcl.probes import Features, embedding_map, loss_curve, tsne, views_grid
from jcl.probes.plots import LEAST_MAPPED
from jcl.runtime.folder import Folder
from jcl.runtime.metrics import read_metrics

_PICTURED = 8  # examples whose views are shown


def draw(
    experiment: Experiment, workdir: Folder, figures: Folder, test_features: Features, test: Source
) -> None:
    """Draws views, the loss curve and maps of the features, where there is something to draw.

    Args:
        experiment: whose recipe makes the views.
        workdir: of the run.
        figures: the folder for the pictures; it is made.
        test_features: what is mapped.
        test: the test split.
    """
    figures.mkdir(exist_ok=True)
    if test.image_shape is not None:
        count = min(_PICTURED, len(test))
        originals = test.batch(np.arange(count))["image"]
        originals = originals / np.float32(np.iinfo(originals.dtype).max)
        (views,) = views_of(experiment, test, count)
        drawn = np.asarray(views["image"], np.float32)
        views_grid(drawn, figures / "views.png", originals=originals)
    lines = read_metrics(workdir)
    if lines:
        loss_curve([x["step"] for x in lines], [x["loss"] for x in lines], figures / "loss.png")
    if (test_features.label is None and test_features.target is None) or len(test) < LEAST_MAPPED:
        return
    positions = tsne(test_features.features)
    if test_features.label is not None:
        names = getattr(test, "class_names", None)
        embedding_map(positions, test_features.label, figures / "embeddings.png", class_names=names)
    if test_features.target is not None:
        embedding_map(positions, test_features.target, figures / "targets.png")
