"""Contrastive objectives over the global batch.

What holds for every loss, and is not said again in its docstring:

* Embeddings are raw projections `[B, d]`, or `[B, V, d]` of V views, of any float dtype. Row i
  belongs to example i. The loss divides rows by their norms, unless its docstring says that it does
  not. A row of zeros stays zero and gets zero gradient.
* The loss computes and returns float64 if an embedding is float64, and float32 otherwise.
* float32 and float64 embeddings are multiplied in the full precision of their dtype. If both sides
  are bfloat16, `nt_xent`, `dcl`, `supcon`, `sogclr`, `bimodal_sogclr` and `info_nce` multiply them
  in one pass of the matrix units of GPUs and TPUs. The similarities are exact, because the division
  by the norms does not round the rows again. In the gradient, the weights of a sum over keys are
  rounded to bfloat16. This error is no larger than that of the gradient, which is rounded to
  bfloat16 too.
* On NVIDIA's Hopper GPUs these losses, except `bimodal_sogclr`, are fused kernels, for bfloat16
  embeddings of up to 1,024 dimensions and float32 embeddings of up to 512. The kernels multiply the
  leading 16 bits of a float32 number, so similarities are within 2^-16 of exact. If a GPU cannot
  use the kernels, one warning says why. A single GPU computes as a device of a mesh does, at the
  cost that a docstring gives for a mesh; the kernels of `info_nce` cost 12 B^2 d.
* Value and gradient are those of the formula over the whole batch. Gradients flow through anchors
  and keys, across all devices, unless a docstring says otherwise.
* Queues and given negatives are raw projections `[K, d]` for any K, whole on every device. The loss
  divides them by their norms too.
* Derivatives are those of reverse mode. The gradients of `bimodal_sogclr`, `dcl`, `info_nce`,
  `nt_xent`, `sogclr` and `supcon` are written by hand, so forward mode (`jax.jvp`, `jax.hessian`)
  raises JAX's TypeError there; `jax.jacrev(jax.grad(loss))` gives second derivatives of every loss.
* `temperature` is a positive scalar: a Python number, or an array to differentiate.
* `weights` `[B]`, where a loss takes them, are the weights of the examples. The loss is the sum of
  weight times value over all anchors, divided by the number of anchors and not by the sum of
  weights. Weights get no gradient. An example of weight 0 is still a negative of the others. None
  gives every example the weight 1.

* `mesh` is the device mesh; examples are sharded over all of its axes. None computes as one device
  would, for any B.

* `block_size` is the number of anchors that one device evaluates at once. None lets jcl choose. It
  changes memory and speed, not the result.

Every loss raises `UserError`, one sentence, in these cases: an argument has another kind, rank or
size than the signature says; the batch has fewer examples than the formula needs; a Python or NumPy
number that must be positive is not; B is not divisible by the number of devices of `mesh`;
`block_size < 1`. Arguments are arrays of NumPy or JAX, and numbers; lists are refused.

This package also has the functions for losses of your own: `map_rows`, `inner_products`,
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
