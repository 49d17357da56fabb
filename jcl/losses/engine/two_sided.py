"""The fast path for losses that are logsumexps over a matrix of similarities, along both its axes.

Every pair of a query and a key is compared once, for the sums over keys and for those over queries
alike. On a mesh a device compares its own queries with all keys. The sums over queries are then
combined over all devices.
"""

import functools

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.losses.engine.pair_tiles import (
    Cotangents,
    Vectors,
    cut,
    cut_like,
    join,
    pair_gradients,
    reduce_pairs,
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
    """For every query the logsumexp over the other keys, for every key that over the other queries.

    With `s` the inner product over the temperature these are log sum_j exp s(q_i, k_j) and
    log sum_j exp s(q_j, k_i) over j != i; the third result is s(q_i, k_i). It stays out of the sums
    for the reason that `symmetric.log_sum_and_positive` gives. All come from the same products, so
    their rounding errors cancel in a difference. The gradient with respect to queries, keys and
    temperature is exact. The backward pass forms the products again, so memory is linear in B.

    Args:
        queries: unit rows, or rows of zeros.
        keys: likewise; key i is the partner of query i.
        temperature: positive scalar.
        exact: of queries and of keys, where they came in as bfloat16; see `unrounded`.
        mesh: queries and keys are sharded over all axes of this mesh; None computes as one device
            would.
        block_size: side of a tile; None chooses.

    Raises:
        UserError: the pairs cannot be split evenly over the mesh, or `block_size < 1`.
    """
    check_block_size(block_size)
    place = jnp.arange(len(queries))

    def own_queries(rows, columns, temperature):
        rows, columns = (
            Vectors(z, place, place, jnp.ones_like(place, bool), exact)
            for z, place, exact in (rows, columns)
        )
        over_keys, over_queries, positive = _reduce(rows, columns, temperature, block_size)
        # A leading axis for the devices.
        return over_keys, over_queries[None], positive

    over_keys, over_own_queries, positive = with_all_columns(
        own_queries,
        (queries, place, exact[0]),
        (keys, place, exact[1]),
        temperature,
        mesh=mesh,
    )
    return over_keys, _combine(over_own_queries), positive


def _combine(log_sums: Float[Array, "devices B"]) -> Float[Array, " B"]:
    # The gradient of jax.nn.logsumexp is NaN where all sums are empty, which can be on one device.
    return log_sums[0] if len(log_sums) == 1 else logsumexp(log_sums, axis=0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _reduce(rows, columns, temperature, block_size):
    row_tiles, column_tiles = cut(rows, block_size), cut(columns, block_size)
    of_rows, of_columns = reduce_pairs(
        (row_tiles, column_tiles), _all_pairs(row_tiles, column_tiles), temperature
    )
    of_rows, of_columns = join(of_rows, len(rows.z)), join(of_columns, len(columns.z))
    return of_rows.log_sum, of_columns.log_sum, of_rows.positive


def _keep_for_backward(rows, columns, temperature, block_size):
    outputs = _reduce(rows, columns, temperature, block_size)
    return outputs, (rows, columns, temperature, outputs[:2])


def _backward(block_size, kept, cotangents):
    rows, columns, temperature, (over_columns, over_rows) = kept
    of_over_columns, of_over_rows, of_positive = cotangents
    row_tiles, column_tiles = cut(rows, block_size), cut(columns, block_size)

    known_of_rows = Cotangents(over_columns, of_over_columns, of_positive)
    known_of_columns = Cotangents(over_rows, of_over_rows, jnp.zeros_like(over_rows))
    of_rows, of_columns = pair_gradients(
        (row_tiles, column_tiles),
        _all_pairs(row_tiles, column_tiles),
        temperature,
        (cut_like(row_tiles, known_of_rows), cut_like(column_tiles, known_of_columns)),
    )
    of_rows, of_columns = join(of_rows, len(rows.z)), join(of_columns, len(columns.z))
    # Every term depends on rows only through z_i . z_j / temperature.
    of_temperature = -jnp.sum(rows.z * of_rows) / temperature
    by_rows, by_columns = (
        # What is z once more has no gradient of its own.
        Vectors(gradient, None, None, None, jax.tree.map(jnp.zeros_like, side.exact))
        for gradient, side in ((of_rows, rows), (of_columns, columns))
    )
    return by_rows, by_columns, of_temperature


_reduce.defvjp(_keep_for_backward, _backward)


def _all_pairs(rows: Vectors, columns: Vectors):
    a, b = jnp.indices((len(rows.place), len(columns.place)))
    return a.ravel(), b.ravel()
