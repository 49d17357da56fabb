"""Contrastive objectives over the global batch.

What holds for every loss, and is not said again in its docstring:

* Embeddings are raw projections `[B, d]`, or `[B, V, d]` of V views, of any float dtype, example i
  in row i of each. The loss
  divides them by their norms, save where its docstring says that it does not. A row of zeros stays
  zero and gets zero gradient.
* The loss computes in float32, or in float64 where an embedding is float64, and returns that dtype.
* float32 and float64 embeddings are multiplied in the full precision of their dtype. Where both
  are bfloat16, GPUs and TPUs multiply them in one pass of their matrix units in `nt_xent`, `dcl`,
  `supcon`, `sogclr`, `bimodal_sogclr` and `info_nce`: similarities are exact, because rows are not
  rounded again where they are divided by their norms. In the gradient, the weights of a sum over
  keys are rounded to bfloat16, which costs no more than that the gradient itself is then rounded to
  bfloat16.
* NVIDIA's Hopper GPUs compute these losses, but for `bimodal_sogclr`, by fused kernels, of bfloat16
  embeddings of up to 1,024 dimensions and of float32 ones of up to 512. Of a number of float32
  they multiply the leading 16 bits, so similarities are within 2^-16 of exact. Where a GPU cannot
  take the kernels, a warning says why, once. One GPU of any kind costs what a device of a mesh
  does, and the kernels of `info_nce` 12 B^2 d.
* Value and gradient are those of the formula over the whole batch. Gradients flow through anchors
  and keys, across all devices, save where a docstring stops them.
* Queues and given negatives are raw projections `[K, d]` for any K, whole on every device. The loss
  divides them by their norms too.
* Derivatives are those of reverse mode. The gradients of `bimodal_sogclr`, `dcl`, `info_nce`,
  `nt_xent`, `sogclr` and `supcon` are written by hand, so forward mode (`jax.jvp`, `jax.hessian`)
  raises JAX's TypeError there; `jax.jacrev(jax.grad(loss))` gives second derivatives of every loss.
* `temperature` is a positive scalar: a Python number, or an array to differentiate.
* `weights` `[B]`, where a loss takes them, are what examples count for: the loss is the sum of
  weight times value over all anchors, divided by the number of anchors and not by the sum of
  weights. No gradient reaches them. An example of weight 0 is still a negative of the others. None
  is 1 for each.
* `mesh` is what the examples are sharded over, along all of its axes. None computes as one device
  would, for any B.
* `block_size` is how many anchors one device evaluates at once. None chooses. It changes memory and
  speed, not the result.

Every loss raises `UserError`, one sentence, where an argument is of another kind, rank or size than
its signature says, where a batch has fewer examples than the formula needs, where a Python or NumPy
number that must be positive is not, where B does not divide by the number of devices of `mesh`, and
where `block_size < 1`. Arguments are arrays of NumPy or JAX, and numbers; lists are refused.

The functions that a loss of one's own is made of stand here too: `map_rows`, `inner_products`,
`distances` and `unit_rows`.
"""

from jcl.losses.alignment_uniformity import alignment_uniformity
from jcl.losses.bimodal_sogclr import bimodal_sogclr
from jcl.losses.cacr import cacr
from jcl.losses.cmim_contrast import cmim_contrast
from jcl.losses.conr import conr
from jcl.losses.dcl import dcl
from jcl.losses.engine.embeddings import unit_rows
from jcl.losses.engine.pairwise import distances, inner_products, map_rows
from jcl.losses.filip import filip
from jcl.losses.groco import groco
from jcl.losses.hard_nt_xent import hard_nt_xent
from jcl.losses.info_nce import info_nce
from jcl.losses.mixed_queue_nce import mixed_queue_nce
from jcl.losses.mv_dhel import mv_dhel
from jcl.losses.mv_info_nce import mv_info_nce
from jcl.losses.nt_xent import nt_xent
from jcl.losses.one_to_k import one_to_k
from jcl.losses.one_way_nce import one_way_nce
from jcl.losses.query_key_nce import query_key_nce
from jcl.losses.query_queue_nce import query_queue_nce
from jcl.losses.rank_n_contrast import rank_n_contrast
from jcl.losses.siglip import siglip
from jcl.losses.sinkhorn import sinkhorn
from jcl.losses.soft_aggregation import soft_aggregation
from jcl.losses.soft_info_nce import soft_info_nce
from jcl.losses.sogclr import sogclr
from jcl.losses.supcon import supcon
from jcl.losses.supremix import supremix
from jcl.losses.transformed_queue_nce import transformed_queue_nce

__all__ = [
    "alignment_uniformity",
    "bimodal_sogclr",
    "cacr",
    "cmim_contrast",
    "conr",
    "dcl",
    "distances",
    "filip",
    "groco",
    "hard_nt_xent",
    "info_nce",
    "inner_products",
    "map_rows",
    "mixed_queue_nce",
    "mv_dhel",
    "mv_info_nce",
    "nt_xent",
    "one_to_k",
    "one_way_nce",
    "query_key_nce",
    "query_queue_nce",
    "rank_n_contrast",
    "siglip",
    "sinkhorn",
    "soft_aggregation",
    "soft_info_nce",
    "sogclr",
    "supcon",
    "supremix",
    "transformed_queue_nce",
    "unit_rows",
]
