"""The fast path for losses that are logsumexps over a matrix of similarities, along both its axes.

Every pair of a query and a key is compared once, and used for the sum over keys and for the sum
over queries. On a mesh a device compares its own queries with all keys. The sums over queries are
then combined over all devices. The fused kernels of Hopper GPUs compute sums over columns only, so
they compare twice: queries with all keys, and keys with all queries.
"""

import functools

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.losses.engine import devices, fused
from jcl.losses.engine.derivatives import with_derivative_of
from jcl.losses.engine.pair_tiles import (
    Cotangents,
    Vectors,
    cut,
    cut_like,
    join,
    pair_gradients,
    reduce_pairs,
    rows_of_a_block,
)
from jcl.losses.engine.pairwise import check_block_size, with_all_columns
from jcl.losses.engine.unrounded import Unrounded


def log_sums_and_positive(
    queries: Float[Array, "B d"],
    keys: Float[Array, "B d"],
    temperature: Float[Array, ""],
    *,
    exact: tuple[Unrounded | None, Unrounded | None],
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " B"], Float[Array, " B"], Float[Array, " B"]]:
    """For every query the logsumexp over other keys, for every key that over other queries.

    With `s` the inner product over the temperature these are log sum_j exp s(q_i, k_j) and
    log sum_j exp s(q_j, k_i) over j != i. The third result is s(q_i, k_i). The positive is left out
    of the sums for the reason that `symmetric.log_sum_and_positive` gives. The gradient with
    respect to queries, keys and temperature is exact. The backward pass computes the products
    again, so memory is linear in B. Hopper GPUs use fused kernels, see `fused`.

    Args:
        queries: unit rows, or rows of zeros.
        keys: likewise; key i is the partner of query i.
        temperature: positive scalar.
        exact: `unrounded` of queries and of keys, if both are bfloat16.
        mesh: queries and keys are sharded over all axes of this mesh; None computes as one device
            would.
        block_size: side of a tile; None chooses.

    Raises:
        UserError: the pairs cannot be split evenly over the mesh, or `block_size < 1`.
    """
    check_block_size(block_size)
    both, options = (queries, keys, *exact), (mesh, block_size)
    is_bfloat16 = exact[0] is not None
    if not fused.suits(queries, is_bfloat16=is_bfloat16, columns=len(keys) - 1, mesh=mesh):
        return _in_tiles(*both, temperature, *options)
    positive = jnp.sum(queries * keys, axis=1) / temperature
    return *_log_negatives(*both, temperature, *options), positive


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _log_negatives(queries, keys, exact_queries, exact_keys, temperature, mesh, block_size):
    """The log sums of `log_sums_and_positive`, on Hopper GPUs by their kernels."""

    def with_kernels(queries, keys, exact_queries, exact_keys, temperature):
        queries, keys = fused.operand(queries, exact_queries), fused.operand(keys, exact_keys)
        how = _kernels_for(exact_queries, mesh)
        one_way = fused.log_sums(queries, keys, temperature, **how)
        return one_way, fused.log_sums(keys, queries, temperature, **how)

    def otherwise(*arguments):
        return _in_tiles(*arguments, mesh, block_size)[:2]

    return jax.lax.platform_dependent(
        queries,
        keys,
        exact_queries,
        exact_keys,
        temperature,
        cuda=with_kernels,
        default=otherwise,
    )


def _keep_log_negatives(*arguments):
    outputs = _log_negatives(*arguments)
    return outputs, (arguments[:5], outputs)


def _log_negatives_backward(mesh, block_size, kept, cotangents):
    (queries, keys, *exact, temperature), (over_keys, over_queries) = kept

    def with_kernels(queries, keys, exact_queries, exact_keys, temperature, of_keys, of_queries):
        how = {"d": queries.shape[1], **_kernels_for(exact_queries, mesh)}
        queries = fused.operand(queries, exact_queries), *of_keys
        keys = fused.operand(keys, exact_keys), *of_queries
        by_queries = fused.gradients(queries, keys, temperature, **how)
        return by_queries, fused.gradients(keys, queries, temperature, **how)

    def otherwise(queries, keys, exact_queries, exact_keys, temperature, of_keys, of_queries):
        def both_ways(queries, keys):
            both = queries, keys, exact_queries, exact_keys
            return _in_tiles(*both, temperature, mesh, block_size)[:2]

        return jax.vjp(both_ways, queries, keys)[1]((of_keys[1], of_queries[1]))

    by_queries, by_keys = jax.lax.platform_dependent(
        queries,
        keys,
        *exact,
        temperature,
        (over_keys, cotangents[0]),
        (over_queries, cotangents[1]),
        cuda=with_derivative_of(otherwise, with_kernels),
        default=otherwise,
    )
    of_temperature = -jnp.sum(queries * by_queries) / temperature
    # `exact` repeats the vectors, so it has no gradient of its own.
    return by_queries, by_keys, *jax.tree.map(jnp.zeros_like, exact), of_temperature


_log_negatives.defvjp(_keep_log_negatives, _log_negatives_backward)


def _kernels_for(exact, mesh):
    return {"views": 1, "halves": 1 if exact is not None else 2, "mesh": mesh}


def _in_tiles(queries, keys, exact_queries, exact_keys, temperature, mesh, block_size):
    """`log_sums_and_positive` on any device."""
    place = jnp.arange(len(queries))

    def own_queries(rows, columns, temperature):
        rows, columns = (
            Vectors(z, place, place, jnp.ones_like(place, bool), exact)
            for z, place, exact in (rows, columns)
        )
        over_keys, over_queries, positive = _reduce(rows, columns, temperature, mesh, block_size)
        # The added leading axis is that of the devices.
        return over_keys, over_queries[None], positive

    over_keys, over_own_queries, positive = with_all_columns(
        own_queries,
        (queries, place, exact_queries),
        (keys, place, exact_keys),
        temperature,
        mesh=mesh,
    )
    return over_keys, _combine(over_own_queries), positive


def _combine(log_sums: Float[Array, "devices B"]) -> Float[Array, " B"]:
    # The gradient of jax.nn.logsumexp is NaN where all sums are empty, which can be on one device.
    return log_sums[0] if len(log_sums) == 1 else logsumexp(log_sums, axis=0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _reduce(rows, columns, temperature, mesh, block_size):
    def reduce(rows, columns, temperature, *, on_gpus):
        sides = _cut_both(rows, columns, block_size, on_gpus)
        of_rows, of_columns = reduce_pairs(
            sides, _all_pairs(*sides), temperature, masks_everywhere=on_gpus
        )
        of_rows, of_columns = join(of_rows, len(rows.z)), join(of_columns, len(columns.z))
        return of_rows.log_sum, of_columns.log_sum, of_rows.positive

    ways = (functools.partial(reduce, on_gpus=x) for x in (True, False))
    return devices.by_device(mesh, *ways)(rows, columns, temperature)


def _keep_for_backward(rows, columns, temperature, mesh, block_size):
    outputs = _reduce(rows, columns, temperature, mesh, block_size)
    return outputs, (rows, columns, temperature, outputs[:2])


def _backward(mesh, block_size, kept, cotangents):
    rows, columns, temperature, (over_columns, over_rows) = kept
    of_over_columns, of_over_rows, of_positive = cotangents
    known_of_rows = Cotangents(over_columns, of_over_columns, of_positive)
    known_of_columns = Cotangents(over_rows, of_over_rows, jnp.zeros_like(over_rows))

    def gradients(rows, columns, temperature, known, *, on_gpus):
        sides = _cut_both(rows, columns, block_size, on_gpus)
        of_rows, of_columns = pair_gradients(
            sides,
            _all_pairs(*sides),
            temperature,
            tuple(map(cut_like, sides, known)),
            masks_everywhere=on_gpus,
        )
        return join(of_rows, len(rows.z)), join(of_columns, len(columns.z))

    ways = (functools.partial(gradients, on_gpus=x) for x in (True, False))
    of_rows, of_columns = devices.by_device(mesh, *ways)(
        rows, columns, temperature, (known_of_rows, known_of_columns)
    )
    # Every term depends on rows only through z_i . z_j / temperature.
    of_temperature = -jnp.sum(rows.z * of_rows) / temperature
    by_rows, by_columns = (
        Vectors(gradient, None, None, None, jax.tree.map(jnp.zeros_like, side.exact))
        for gradient, side in ((of_rows, rows), (of_columns, columns))
    )
    return by_rows, by_columns, of_temperature


_reduce.defvjp(_keep_for_backward, _backward)


def _cut_both(rows: Vectors, columns: Vectors, block_size: int | None, on_gpus: bool):
    """Tiles of both; on GPUs blocks of rows and one tile of all columns."""
    if not on_gpus:
        return cut(rows, block_size), cut(columns, block_size)
    count = len(columns.place)
    return cut(rows, block_size or rows_of_a_block(count)), cut(columns, count)


def _all_pairs(rows: Vectors, columns: Vectors):
    a, b = jnp.indices((len(rows.place), len(columns.place)))
    return a.ravel(), b.ravel()
