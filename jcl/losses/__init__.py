"""Contrastive objectives over the global batch."""

from jcl.losses.dcl import dcl
from jcl.losses.info_nce import info_nce
from jcl.losses.nt_xent import nt_xent
from jcl.losses.supcon import supcon
from jcl.losses.supremix import supremix

__all__ = ["dcl", "info_nce", "nt_xent", "supcon", "supremix"]
