"""Contrastive objectives over the global batch."""

from jcl.losses.dcl import dcl
from jcl.losses.nt_xent import nt_xent

__all__ = ["dcl", "nt_xent"]
