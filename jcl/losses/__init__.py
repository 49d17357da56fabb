"""Contrastive objectives over the global batch.

What holds for every loss, and is not said again in its docstring:

* Embeddings are raw projections `[B, d]` of any float dtype, example i in row i of each. The loss
  divides them by their norms, save where its docstring says that it does not. A row of zeros stays
  zero and gets zero gradient.
* The loss computes in float32, or in float64 where an embedding is float64, and returns that dtype.
* float32 and float64 embeddings are multiplied in the full precision of their dtype. Where both
  are bfloat16, GPUs and TPUs multiply them in one pass of their matrix units in `nt_xent`, `dcl`,
  `supcon`, `sogclr` and `info_nce`: similarities are exact, because rows are not rounded again
  where they are divided by their norms. In the gradient, the weights of a sum over keys are rounded
  to bfloat16, which costs no more than that the gradient itself is then rounded to bfloat16.
* Value and gradient are those of the formula over the whole batch. Gradients flow through anchors
  and keys, across all devices, save where a docstring stops them.
* `temperature` is a positive scalar: a Python number, or an array to differentiate.
* `weights` `[B]`, where a loss takes them, are what examples count for: the loss is the sum of
  weight times value over all anchors, divided by the number of anchors and not by the sum of
  weights. No gradient reaches them. An example of weight 0 is still a negative of the others. None
  is 1 for each.
* `mesh` is what the examples are sharded over, along all of its axes. None computes as one device
  would, for any B.
* `block_size` is how many anchors one device evaluates at once. None chooses. It changes memory and
  speed, not the result.

Every loss raises `UserError` where B does not divide by the number of devices of `mesh`, and where
`block_size < 1`.

The functions that a loss of one's own is made of stand here too: `map_rows`, `inner_products`,
`distances` and `unit_rows`.
"""

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
