"""The fast path for losses that are logsumexps over a symmetric matrix of similarities.

A single device compares every unordered pair of rows once. On a mesh each device computes the
values and the whole gradient of its own rows. A similarity between rows of two devices is computed
on both, and no gradient is sent. A single GPU computes as on a mesh, because loops that branch or
scatter are slow on GPUs.
"""

import functools

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from jcl.losses.engine import devices, fused
from jcl.losses.engine.class_means import mean_of_others
from jcl.losses.engine.derivatives import with_derivative_of
from jcl.losses.engine.pair_tiles import (
    Cotangents,
    Vectors,
    cut,
    cut_like,
    inner_products,
    join,
    pair_gradients,
    reduce_pairs,
    rows_of_a_block,
    softmaxes,
    weighted_sum,
)
from jcl.losses.engine.pairwise import check_block_size, map_rows
from jcl.losses.engine.unrounded import Unrounded


def log_sum_and_positive(
    z: Float[Array, "M d"],
    group: Int[Array, " M"],
    temperature: Float[Array, ""],
    *,
    apart: Bool[Array, " M"] | bool,
    exact: Unrounded | None,
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """For every row, the logsumexp of its logits and the mean logit of its positives.

    With `s` the inner product over the temperature, row i gets log sum_j exp s(z_i, z_j) over all
    j outside of its group, and the mean of s(z_i, z_p) over its positives, the other rows p of its
    group (0 if there are none). Where positives are not apart, the sum includes them. Both results
    come from the same products, so their rounding errors cancel in a difference. The gradient with
    respect to z and temperature is exact. The backward pass computes the products again, so memory
    is linear in M.

    A loss whose denominator includes a row's only positive should still keep the positive apart.
    With `e` the exponential of the positive and `n` the sum over negatives, the loss is
    log(1 + n / e) = softplus(log n - log e), whose gradient is n / (n + e). From a common sum the
    gradient would be 1 - e / (n + e), which is only rounding error if the two views of an example
    are nearly equal.

    Args:
        z: unit rows, or rows of zeros.
        group: integers, only compared for equality. A single device is fastest if the rows of a
            group are neighbours.
        temperature: positive scalar.
        apart: whether a row's positives are left out of its sum; one value for all rows of a group.
        exact: the unit rows of bfloat16 embeddings, from `unrounded`; None for other dtypes.
        mesh: rows are sharded over all axes of this mesh; None computes as one device would.
        block_size: side of a tile; on a mesh, number of rows in a block; None chooses.

    Raises:
        UserError: rows cannot be split evenly over the mesh, or `block_size < 1`.
    """
    check_block_size(block_size)
    vectors = Vectors(z, group, jnp.arange(len(z)), jnp.broadcast_to(apart, len(z)), exact)
    log_sum, positive, _ = _reduce(vectors, temperature, mesh, block_size)
    return log_sum, positive


def log_negatives_and_positive(
    z: Float[Array, "M d"],
    temperature: Float[Array, ""],
    *,
    exact: Unrounded | None,
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """`log_sum_and_positive` of pairs: rows 2i and 2i + 1 are each other's only positive, apart.

    Prefer it to `log_sum_and_positive` where it is general enough: Hopper GPUs have fused kernels
    for it, see `fused`.

    Args:
        z: see `log_sum_and_positive`.
        temperature: see `log_sum_and_positive`.
        exact: see `log_sum_and_positive`.
        mesh: see `log_sum_and_positive`.
        block_size: see `log_sum_and_positive`; the fused kernels have sizes of their own.
    """
    check_block_size(block_size)
    if not fused.suits(z, is_bfloat16=exact is not None, columns=len(z) - 2, mesh=mesh):
        pair = jnp.arange(len(z)) // 2
        return log_sum_and_positive(
            z, pair, temperature, apart=True, exact=exact, mesh=mesh, block_size=block_size
        )
    other = z.reshape(-1, 2, z.shape[1])[:, ::-1].reshape(z.shape)
    positive = jnp.sum(z * other, axis=1) / temperature
    return _log_negatives(z, exact, temperature, mesh, block_size), positive


def log_sum_and_positive_of_labels(
    z: Float[Array, "M d"],
    label: Int[Array, " M"],
    is_alone: Bool[Array, " M"],
    temperature: Float[Array, ""],
    *,
    exact: Unrounded | None,
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """`log_sum_and_positive` of pairs with labels; a pair alone in its label is kept apart.

    Args:
        z: see `log_sum_and_positive`. Rows 2i and 2i + 1 are of one label.
        label: of every row.
        is_alone: whether no other pair has a row's label.
        temperature: see `log_sum_and_positive`.
        exact: see `log_sum_and_positive`.
        mesh: see `log_sum_and_positive`.
        block_size: see `log_negatives_and_positive`.
    """
    options = {"exact": exact, "mesh": mesh, "block_size": block_size}
    if not fused.suits(z, is_bfloat16=exact is not None, columns=len(z) - 2, mesh=mesh):
        return log_sum_and_positive(z, label, temperature, apart=is_alone, **options)
    log_negatives, of_pair = log_negatives_and_positive(z, temperature, **options)
    log_sum = jnp.where(is_alone, log_negatives, jnp.logaddexp(log_negatives, of_pair))
    return log_sum, jnp.sum(z * mean_of_others(z, label, mesh), axis=1) / temperature


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _log_negatives(z, exact, temperature, mesh, block_size):
    def with_kernels(z, exact, temperature):
        rows = fused.operand(z, exact)
        return fused.log_sums(rows, rows, temperature, mesh=mesh, **_kernels_for(exact))

    def otherwise(z, exact, temperature):
        return _reduce(_pairs(z, exact), temperature, mesh, block_size)[0]

    return jax.lax.platform_dependent(z, exact, temperature, cuda=with_kernels, default=otherwise)


def _keep_log_negatives(z, exact, temperature, mesh, block_size):
    log_sum = _log_negatives(z, exact, temperature, mesh, block_size)
    return log_sum, (z, exact, temperature, log_sum)


def _log_negatives_backward(mesh, block_size, kept, cotangent):
    z, exact, temperature, log_sum = kept

    def with_kernels(z, exact, temperature, log_sum, cotangent):
        rows = fused.operand(z, exact), log_sum, cotangent
        how = {"d": z.shape[1], "mesh": mesh, **_kernels_for(exact)}
        return fused.gradients(rows, rows, temperature, **how)

    def otherwise(z, exact, temperature, log_sum, cotangent):
        none = jnp.zeros_like(log_sum)
        kept = _pairs(z, exact), temperature, log_sum, none
        return _backward(mesh, block_size, kept, (cotangent, none, none))[0].z

    gradient = jax.lax.platform_dependent(
        z,
        exact,
        temperature,
        log_sum,
        cotangent,
        cuda=with_derivative_of(otherwise, with_kernels),
        default=otherwise,
    )
    of_temperature = -jnp.sum(z * gradient) / (2 * temperature)
    return gradient, jax.tree.map(jnp.zeros_like, exact), of_temperature


_log_negatives.defvjp(_keep_log_negatives, _log_negatives_backward)


def _pairs(z, exact):
    place = jnp.arange(len(z))
    return Vectors(z, place // 2, place, jnp.ones(len(z), bool), exact)


def _kernels_for(exact):
    return {"views": 2, "halves": 1 if exact is not None else 2}


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _reduce(vectors, temperature, mesh, block_size):
    def in_rows(vectors, temperature):
        how = _rows_at_once(vectors, mesh, block_size)
        return map_rows(_reduce_row, vectors, vectors, temperature, **how)

    def in_tiles(vectors, temperature):
        tiles = cut(vectors, block_size)
        (reduced,) = reduce_pairs((tiles,), _unordered(tiles), temperature)
        reduced = join(reduced, len(vectors.z))
        return reduced.log_sum, reduced.positive / jnp.maximum(reduced.count, 1), reduced.count

    of_device = _for_mesh(mesh, in_rows, in_tiles)
    return of_device(vectors, temperature)


def _keep_for_backward(vectors, temperature, mesh, block_size):
    outputs = _reduce(vectors, temperature, mesh, block_size)
    log_sum, _, count = outputs
    return outputs, (vectors, temperature, log_sum, count)


def _backward(mesh, block_size, kept, cotangents):
    vectors, temperature, log_sum, count = kept
    temperature = jnp.asarray(temperature)  # in a loop, a constant comes as an array of NumPy
    of_log_sum, of_positive, _ = cotangents
    known = Cotangents(log_sum, of_log_sum, of_positive / jnp.maximum(count, 1))

    def in_rows(vectors, temperature, known):
        rows, how = (vectors, known), _rows_at_once(vectors, mesh, block_size)
        return map_rows(_row_gradient, rows, rows, temperature, **how)

    def in_tiles(vectors, temperature, known):
        tiles = cut(vectors, block_size)
        known = cut_like(tiles, known)
        (gradient,) = pair_gradients((tiles,), _unordered(tiles), temperature, (known,))
        return join(gradient, len(vectors.z))

    of_device = _for_mesh(mesh, in_rows, in_tiles)
    gradient = of_device(vectors, temperature, known)
    # Every term depends on z only through z_i . z_j / temperature. The sum of z_i . gradient_i
    # counts
    # each term twice, once for each of its two rows.
    of_temperature = -jnp.sum(vectors.z * gradient) / (2 * temperature)
    no_gradient = jax.tree.map(jnp.zeros_like, vectors.exact)  # `exact` repeats z
    return Vectors(gradient, None, None, None, no_gradient), of_temperature


_reduce.defvjp(_keep_for_backward, _backward)


def _for_mesh(mesh, in_rows, in_tiles):
    is_one = mesh is None or mesh.size == 1
    return devices.by_device(mesh, in_rows, in_tiles) if is_one else in_rows


def _rows_at_once(vectors, mesh, block_size):
    if block_size is None and devices.computing_device(mesh).platform == "gpu":
        block_size = rows_of_a_block(len(vectors.place))
    return {"mesh": mesh, "block_size": block_size}


def _unordered(tiles: Vectors) -> tuple[Int[Array, " p"], Int[Array, " p"]]:
    return tuple(map(jnp.asarray, jnp.triu_indices(len(tiles.place))))


def _reduce_row(index, row, columns, temperature):
    logits = inner_products("d,cd->c", row, columns) / temperature
    in_sum, positive = _masks_of_row(index, row, columns)
    count = positive.sum(dtype=logits.dtype)
    mean_positive = jnp.where(positive, logits, 0).sum() / jnp.maximum(count, 1)
    return logsumexp(jnp.where(in_sum, logits, -jnp.inf)), mean_positive, count


def _row_gradient(index, row, columns, temperature):
    (row, known), (columns, every_known) = row, columns
    logits = inner_products("d,cd->c", row, columns) / temperature
    in_sum, positive = _masks_of_row(index, row, columns)
    by_logit = jnp.where(in_sum, softmaxes(logits, known, every_known), 0)
    by_logit += jnp.where(positive, known.of_positive + every_known.of_positive, 0)
    return weighted_sum("c,cd->d", by_logit, columns) / temperature


def _masks_of_row(index, row, columns):
    # Columns have the order of the batch, so their positions need not be sent.
    is_other = jnp.arange(len(columns.place)) != index
    positive = (columns.group == row.group) & is_other
    return is_other & ~(positive & row.apart), positive
