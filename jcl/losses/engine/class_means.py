"""Means over the other members of a class, which give the mean logit of a row's positives.

The mean logit of a row's positives is the row's inner product with the positives' mean. So
positives cost O(M d), and no pair of rows is compared for them.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from jcl.losses.engine.pairwise import with_all_columns


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def mean_of_others(
    x: Float[Array, "M d"], label: Int[Array, " M"], mesh: Mesh | None
) -> Float[Array, "M d"]:
    """For every row the mean of the other rows of its label; zero if there are none.

    Sums run along the rows in the order of their labels, so the bits are the same each time.

    Args:
        x: rows.
        label: only compared for equality.
        mesh: rows are sharded over all axes of this mesh, each device sums over all rows.
    """
    sides = x, label
    return with_all_columns(_of_own_rows, sides, sides, (), mesh=mesh)


def _of_own_rows(rows, columns, _):
    (x, label), (every_x, every_label) = rows, columns
    order = jnp.argsort(every_label)
    in_order = every_label[order]
    begins = jnp.concatenate([jnp.ones(1, bool), in_order[1:] != in_order[:-1]])

    def add(left, right):
        (sum_left, begins_left), (sum_right, begins_right) = left, right
        total = jnp.where(begins_right[:, None], sum_right, sum_left + sum_right)
        return total, begins_left | begins_right

    sums, _ = jax.lax.associative_scan(add, (every_x[order], begins))
    begin, end = (jnp.searchsorted(in_order, label, side=side) for side in ("left", "right"))
    others = jnp.maximum(end - begin - 1, 1).astype(x.dtype)
    return (sums[end - 1] - x) / others[:, None]


def _keep_label(x, label, mesh):
    return mean_of_others(x, label, mesh), label


def _backward(mesh, label, cotangent):
    # The function is linear in x, with a symmetric matrix: all rows of a label have equally many
    # others.
    return mean_of_others(cotangent, label, mesh), None


mean_of_others.defvjp(_keep_label, _backward)
