"""Contrastive objectives over the global batch."""

from jcl.losses.alignment_uniformity import alignment_uniformity
from jcl.losses.dcl import dcl
from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.pairwise import distances, inner_products, map_rows
from jcl.losses.info_nce import info_nce
from jcl.losses.nt_xent import nt_xent
from jcl.losses.rank_n_contrast import rank_n_contrast
from jcl.losses.soft_info_nce import soft_info_nce
from jcl.losses.sogclr import sogclr
from jcl.losses.supcon import supcon
from jcl.losses.supremix import supremix

__all__ = [
    "alignment_uniformity",
    "dcl",
    "distances",
    "info_nce",
    "inner_products",
    "map_rows",
    "nt_xent",
    "rank_n_contrast",
    "soft_info_nce",
    "sogclr",
    "supcon",
    "supremix",
    "unit_rows",
]
