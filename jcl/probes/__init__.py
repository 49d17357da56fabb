"""Probes: what frozen features are worth, in numbers and figures."""

from jcl.probes.features import Features, extract, pixels, save_features
from jcl.probes.geometry import alignment, geometry, tolerance, uniformity
from jcl.probes.knn import knn_predict, knn_top1
from jcl.probes.linear import linear_probe
from jcl.probes.plots import embedding_map, loss_curve, views_grid
from jcl.probes.table import results_table

__all__ = [
    "Features",
    "alignment",
    "embedding_map",
    "extract",
    "geometry",
    "knn_predict",
    "knn_top1",
    "linear_probe",
    "loss_curve",
    "pixels",
    "results_table",
    "save_features",
    "tolerance",
    "uniformity",
    "views_grid",
]
