"""The fast path for losses that are logsumexps over a symmetric matrix of similarities.

Every unordered pair of rows is compared once on one device. On a mesh each device computes the
values and the whole gradient of its own rows: a similarity that it shares with another device is
formed on both, and no gradient is sent.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax.nn import logsumexp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from jcl.errors import UserError
from jcl.mesh import check_even_split

Excluded = Literal["row", "example"]

# Side of a tile on one device: large enough for matrix products, small enough for caches.
_TILE = 512
# Rows that a device of a mesh compares with all columns at once.
_ROWS = 128
# From this temperature on, one shift by the largest possible logit suits all rows: the smallest
# exponential, exp(-2 / 0.03) = 1e-29, is a normal float32.
_LOWEST_SHIFTED = 0.03


def log_denominator_and_positive(
    z: Float[Array, "M d"],
    temperature: Float[Array, ""],
    *,
    excluded: Excluded,
    mesh: Mesh | None,
    block_size: int | None,
) -> tuple[Float[Array, " M"], Float[Array, " M"]]:
    """For every row, the logsumexp of its logits with the others and the logit of its partner.

    With `s` the inner product over the temperature, row i gets log sum_j exp s(z_i, z_j) over all
    j but itself, or but the two rows of its own example, and s(z_i, z_p(i)) with p(i) the other row
    of its example. Both come from the same products, so that their rounding errors cancel in a
    difference. The gradient, with respect to z and temperature, is exact; it is computed by hand
    from products that are formed again, so memory is linear in M.

    Args:
        z: unit rows, or rows of zeros; rows 2i and 2i + 1 are the views of example i.
        temperature: positive scalar.
        excluded: "row": i itself; "example": i and p(i).
        mesh: rows are sharded over all axes of this mesh; None computes as one device would.
        block_size: side of a tile, on a mesh rows of a block; None chooses.

    Raises:
        UserError: rows cannot be split evenly over the mesh, or `block_size < 1`.
    """
    if block_size is not None and block_size < 1:
        raise UserError(f"block_size is {block_size}, but must be at least 1.")
    check_even_split(z.shape[0] // 2, mesh)
    if mesh is not None and mesh.size == 1:
        mesh = None
    return _denominators(z, temperature, excluded, mesh, block_size)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _denominators(z, temperature, excluded, mesh, block_size):
    if mesh is not None:
        return _forward_on_mesh(z, temperature, excluded, mesh, block_size)
    return jax.lax.cond(
        temperature >= _LOWEST_SHIFTED,
        lambda: _forward_by_pairs(z, temperature, excluded, block_size),
        lambda: _forward_by_rows(z, jnp.arange(len(z)), z, temperature, excluded, block_size),
    )


def _keep_for_backward(z, temperature, excluded, mesh, block_size):
    outputs = _denominators(z, temperature, excluded, mesh, block_size)
    return outputs, (z, temperature, outputs[0])


def _backward(excluded, mesh, block_size, kept, cotangents):
    z, temperature, log_denominator = kept
    # Of every row: logsumexp, and the cotangents of logsumexp and positive.
    rows = jnp.stack([log_denominator, *cotangents], axis=1)
    if mesh is not None:
        gradient = _backward_on_mesh(z, rows, temperature, excluded, mesh, block_size)
    else:
        gradient = jax.lax.cond(
            temperature >= _LOWEST_SHIFTED,
            lambda: _backward_by_pairs(z, rows, temperature, excluded, block_size, shifted=True),
            lambda: _backward_by_pairs(z, rows, temperature, excluded, block_size, shifted=False),
        )
    # Every term depends on z only through z_i . z_j / temperature, and z_i . gradient_i counts
    # each term twice, once for either row.
    return gradient, -jnp.sum(z * gradient) / (2 * temperature)


_denominators.defvjp(_keep_for_backward, _backward)


def _forward_by_pairs(z, temperature, excluded, block_size):
    tiles, tile = _cut(z, block_size)
    shift = 1 / temperature

    def add(carry, pair):
        sums, positive = carry
        a, b = pair
        logits = _logits(tiles[a], tiles[b], temperature)

        def masked(sums, positive):
            included, partner = _masks(_places(a, tile), _places(b, tile), len(z), excluded)
            exponential = jnp.where(included, jnp.exp(logits - shift), 0)
            positive = positive.at[a].add(jnp.where(partner, logits, 0).sum(1))
            sums = sums.at[a].add(exponential.sum(1))
            return sums.at[b].add(jnp.where(a == b, 0, exponential.sum(0))), positive

        def whole(sums, positive):
            exponential = jnp.exp(logits - shift)
            return sums.at[a].add(exponential.sum(1)).at[b].add(exponential.sum(0)), positive

        return jax.lax.cond(_is_whole(a, b, tile, len(z)), whole, masked, sums, positive), None

    zeros = jnp.zeros(tiles.shape[:2], z.dtype)
    (sums, positive), _ = jax.lax.scan(add, (zeros, zeros), _unordered_pairs(len(tiles)))
    return shift + jnp.log(sums.ravel()[: len(z)]), positive.ravel()[: len(z)]


def _backward_by_pairs(z, rows, temperature, excluded, block_size, *, shifted: bool):
    tiles, tile = _cut(z, block_size)
    padded = jnp.pad(rows, ((0, tiles.shape[0] * tile - len(z)), (0, 0)))
    of_rows = padded.reshape(*tiles.shape[:2], -1)

    def add(gradient, pair):
        a, b = pair
        logits = _logits(tiles[a], tiles[b], temperature)
        softmaxes = _softmaxes(logits, of_rows[a], of_rows[b], temperature, shifted)
        weights = jax.lax.cond(
            _is_whole(a, b, tile, len(z)),
            lambda: softmaxes,
            lambda: _mask_weights(
                softmaxes,
                of_rows[a],
                of_rows[b],
                _masks(_places(a, tile), _places(b, tile), len(z), excluded),
            ),
        )
        gradient = gradient.at[a].add(_product("ij,jd->id", weights, tiles[b]))
        other = _product("ij,id->jd", weights, tiles[a])
        # In a tile on the diagonal every pair stands twice already.
        return gradient.at[b].add(jnp.where(a == b, 0, other)), None

    gradient, _ = jax.lax.scan(add, jnp.zeros_like(tiles), _unordered_pairs(len(tiles)))
    return gradient.reshape(-1, z.shape[-1])[: len(z)] / temperature


def _forward_by_rows(rows, places, columns, temperature, excluded, block_size):
    def one_block(block):
        z, place = block
        logits = _logits(z, columns, temperature)
        included, partner = _masks(place, jnp.arange(len(columns)), len(columns), excluded)
        log_denominator = logsumexp(jnp.where(included, logits, -jnp.inf), axis=1)
        return log_denominator, jnp.where(partner, logits, 0).sum(1)

    return _map_blocks(one_block, (rows, places), block_size)


def _forward_on_mesh(z, temperature, excluded, mesh, block_size):
    def local(z, places, temperature):
        columns = jax.lax.all_gather(z, mesh.axis_names, tiled=True)
        return _forward_by_rows(z, places, columns, temperature, excluded, block_size)

    sharded, replicated = PartitionSpec(mesh.axis_names), PartitionSpec()
    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(sharded, sharded, replicated),
        out_specs=(sharded, sharded),
        check_vma=False,
    )(z, jnp.arange(len(z)), temperature)


def _backward_on_mesh(z, rows, temperature, excluded, mesh, block_size):
    def local(z, rows, places, temperature):
        columns = jax.lax.all_gather(z, mesh.axis_names, tiled=True)
        of_columns = jax.lax.all_gather(rows, mesh.axis_names, tiled=True)
        every_place = jnp.arange(len(columns))

        def one_block(block):
            z, of_rows, place = block
            logits = _logits(z, columns, temperature)
            softmaxes = _softmaxes(logits, of_rows, of_columns, temperature, shifted=False)
            masks = _masks(place, every_place, len(columns), excluded)
            weights = _mask_weights(softmaxes, of_rows, of_columns, masks)
            return _product("ij,jd->id", weights, columns) / temperature

        return _map_blocks(one_block, (z, rows, places), block_size)

    sharded, replicated = PartitionSpec(mesh.axis_names), PartitionSpec()
    return jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(sharded, sharded, sharded, replicated),
        out_specs=sharded,
        check_vma=False,
    )(z, rows, jnp.arange(len(z)), temperature)


def _softmaxes(logits, of_rows, of_columns, temperature, shifted: bool) -> Float[Array, "r c"]:
    """The derivative of both rows' logsumexps by s_ij, wherever that is in their sums."""
    log_denominator, weight, _ = jnp.moveaxis(of_rows[:, None], -1, 0)
    other_log_denominator, other_weight, _ = jnp.moveaxis(of_columns, -1, 0)
    if not shifted:
        own = weight * jnp.exp(logits - log_denominator)
        return own + other_weight * jnp.exp(logits - other_log_denominator)
    # One exponential for both rows of a pair.
    shift = 1 / temperature
    scales = weight * jnp.exp(shift - log_denominator)
    return jnp.exp(logits - shift) * (
        scales + other_weight * jnp.exp(shift - other_log_denominator)
    )


def _mask_weights(softmaxes, of_rows, of_columns, masks) -> Float[Array, "r c"]:
    """The derivative of all outputs by s_ij, those of row i and those of row j together."""
    included, partner = masks
    positives = of_rows[:, None, 2] + of_columns[:, 2]
    return jnp.where(included, softmaxes, 0) + jnp.where(partner, positives, 0)


def _is_whole(a, b, tile: int, count: int) -> Bool[Array, ""]:
    """Whether all pairs of two tiles are in the sums; positives are on the diagonal alone."""
    return (a != b) & ((b + 1) * tile <= count)


def _masks(
    rows: Int[Array, " r"], columns: Int[Array, " c"], count: int, excluded: Excluded
) -> tuple[Bool[Array, "r c"], Bool[Array, "r c"]]:
    """Which pairs are in the sums, and which are positive; rows from `count` on are padding."""
    rows = rows[:, None]
    same_row, same_example = rows == columns, rows // 2 == columns // 2
    real = (rows < count) & (columns < count)
    out = same_row if excluded == "row" else same_example
    return real & ~out, real & same_example & ~same_row


def _cut(z, block_size) -> tuple[Float[Array, "n t d"], int]:
    """Pads rows with zeros and cuts them into equal tiles of an even number of rows."""
    count = -(-len(z) // (block_size or _TILE))
    tile = -(-len(z) // count)
    tile += tile % 2  # the views of an example lie in one tile
    count = -(-len(z) // tile)
    padded = jnp.pad(z, ((0, count * tile - len(z)), (0, 0)))
    return padded.reshape(count, tile, z.shape[-1]), tile


def _places(tile_index: Int[Array, ""], tile: int) -> Int[Array, " t"]:
    return tile_index * tile + jnp.arange(tile)


def _unordered_pairs(count: int) -> tuple[Int[Array, " p"], Int[Array, " p"]]:
    return tuple(jnp.triu_indices(count))


def _map_blocks(function, arrays, block_size):
    count = len(arrays[0])
    blocks = -(-count // (block_size or _ROWS))
    size = -(-count // blocks)
    padded = jax.tree.map(
        lambda x: jnp.pad(x, ((0, blocks * size - count), *[(0, 0)] * (x.ndim - 1))), arrays
    )
    cut = jax.tree.map(lambda x: x.reshape(blocks, size, *x.shape[1:]), padded)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:count], jax.lax.map(function, cut))


def _logits(rows, columns, temperature) -> Float[Array, "r c"]:
    return _product("id,jd->ij", rows, columns) / temperature


def _product(subscripts, left, right) -> Array:
    # GPUs and TPUs would otherwise round float32 operands; 1 / temperature amplifies that.
    return jnp.einsum(subscripts, left, right, precision=jax.lax.Precision.HIGHEST)
