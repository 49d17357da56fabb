"""Probes: scores and figures of frozen features."""

from jcl.probes.across import recall_across, recall_within
from jcl.probes.anomaly import anomaly_scores
from jcl.probes.cells import cell_classes, cell_probe
from jcl.probes.class_scores import class_scores
from jcl.probes.effective_rank import collapse, effective_rank, rank_and_spread, spread
from jcl.probes.episodes import episodes
from jcl.probes.extract import Features, check_export, extract, raw_inputs, save_features
from jcl.probes.geometry import alignment, geometry, tolerance, uniformity
from jcl.probes.knn import knn_predict, knn_top1
from jcl.probes.knn_regression import knn_predict_target, knn_target_scores
from jcl.probes.linear import linear_probe
from jcl.probes.low_shot import choose_share, low_shot
from jcl.probes.measure import measure
from jcl.probes.multi_label import multi_label_probe
from jcl.probes.opta import opta
from jcl.probes.ordinality import ordinality
from jcl.probes.planted import planted_recall
from jcl.probes.plots import embedding_map, loss_curve, tsne, views_grid
from jcl.probes.regression_scores import regions, regression_scores
from jcl.probes.retrieval import recall_at, retrieval
from jcl.probes.ridge import ridge_probe
from jcl.probes.similarity import similarity_spearman, tree_scores
from jcl.probes.table import results_table
from jcl.probes.zero_shot import zero_shot_top1

__all__ = [
    "Features",
    "alignment",
    "anomaly_scores",
    "cell_classes",
    "cell_probe",
    "check_export",
    "choose_share",
    "class_scores",
    "collapse",
    "effective_rank",
    "embedding_map",
    "episodes",
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
    "multi_label_probe",
    "opta",
    "ordinality",
    "planted_recall",
    "rank_and_spread",
    "raw_inputs",
    "recall_across",
    "recall_at",
    "recall_within",
    "regions",
    "regression_scores",
    "results_table",
    "retrieval",
    "ridge_probe",
    "save_features",
    "similarity_spearman",
    "spread",
    "tolerance",
    "tree_scores",
    "tsne",
    "uniformity",
    "views_grid",
    "zero_shot_top1",
]
