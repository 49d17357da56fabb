"""Probes: what frozen features are worth, in numbers and figures."""

from jcl.probes.effective_rank import collapse, effective_rank, spread
from jcl.probes.extract import Features, check_export, extract, raw_inputs, save_features
from jcl.probes.geometry import alignment, geometry, tolerance, uniformity
from jcl.probes.knn import knn_predict, knn_top1
from jcl.probes.knn_regression import knn_predict_target, knn_target_scores
from jcl.probes.linear import linear_probe
from jcl.probes.low_shot import choose_share, low_shot
from jcl.probes.measure import measure
from jcl.probes.ordinality import ordinality
from jcl.probes.plots import embedding_map, loss_curve, tsne, views_grid
from jcl.probes.regression_scores import regions, regression_scores
from jcl.probes.ridge import ridge_probe
from jcl.probes.table import results_table

__all__ = [
    "Features",
    "alignment",
    "check_export",
    "choose_share",
    "collapse",
    "effective_rank",
    "embedding_map",
    "extract",
    "geometry",
    "knn_predict",
    "knn_predict_target",
    "knn_target_scores",
    "knn_top1",
    "linear_probe",
    "loss_curve",
    "low_shot",
    "measure",
    "ordinality",
    "raw_inputs",
    "regions",
    "regression_scores",
    "results_table",
    "ridge_probe",
    "save_features",
    "spread",
    "tolerance",
    "tsne",
    "uniformity",
    "views_grid",
]
