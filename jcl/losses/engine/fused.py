"""Sums over pairs of unit vectors by the kernels of `hopper`, on Hopper GPUs.

The kernels need vectors in bfloat16, widths of whole lines of shared memory, and logits whose
powers of two are finite. This module makes the kernels' operands from unit rows, chooses among the
kernels, and logs one warning if none is suitable.
"""

import math

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, BFloat16, Float, Float32

from jcl.losses.engine import devices
from jcl.losses.engine.pairwise import with_all_columns
from jcl.losses.engine.unrounded import Unrounded
from jcl.warn_once import warn_once

# Up to this 1 / temperature, float32 holds exponentials of logits, their sums over any batch, and
# one divided by those: 60 + log(2^20) is 74, and exp(-87) is the smallest normal number.
_LARGEST_SCALE = 60.0
_LOG2_E = 1 / math.log(2)
# Versions of JAX from the first on and before the second: the interface for such kernels changes.
_VERSIONS = (0, 10, 2), (0, 13)

Operand = tuple[BFloat16[Array, "N w"], Float32[Array, " N"]]  # vectors and their scales


def suits(z: Float[Array, "M d"], *, is_bfloat16: bool, columns: int, mesh: Mesh | None) -> bool:
    """Whether the fused kernels can compute a loss of these unit rows.

    This depends on `devices.computing_device`. If a GPU cannot use the kernels, one warning says
    why.

    Args:
        z: unit rows.
        is_bfloat16: whether the embeddings were bfloat16; see `unrounded`.
        columns: smallest number of columns that a row is compared with.
        mesh: the mesh over which rows are sharded.
    """
    device = devices.computing_device(mesh)
    if device.platform != "gpu" or columns < 1:
        return False
    reason = _reason_against(device, z.shape[1], z.dtype, is_bfloat16)
    if reason is not None:
        warn_once(f"Losses are computed without the fused kernels, which are faster: {reason}.")
    return reason is None


def operand(z: Float32[Array, "M d"], exact: Unrounded | None) -> Operand:
    """Unit rows as the kernels take them: bfloat16 rows unchanged, float32 rows as two halves."""
    if exact is not None:
        return _to_whole_lines(exact.rows.astype(jnp.bfloat16)), exact.scale
    # Compilers may leave out two conversions that undo each other, but no reduction of precision.
    high = jax.lax.reduce_precision(z, exponent_bits=8, mantissa_bits=7)
    halves = [_to_whole_lines(x.astype(jnp.bfloat16)) for x in (high, z - high)]
    return jnp.concatenate(halves, axis=1), jnp.ones(len(z), z.dtype)


def log_sums(
    rows: Operand,
    columns: Operand,
    temperature: Float32[Array, ""],
    *,
    views: int,
    halves: int,
    mesh: Mesh | None,
) -> Float32[Array, " M"]:
    """Log sum_j exp(z_i . z_j / temperature) of every row, over j with j // views != i // views.

    Args:
        rows: from `operand`.
        columns: from `operand`, equally many.
        temperature: positive scalar.
        views: 1 where a row leaves out its own column, 2 where pairs of rows leave out theirs.
        halves: 1 for vectors of bfloat16, 2 for those of float32.
        mesh: see `with_all_columns`.
    """
    from jcl.losses.engine import hopper

    mesh = _several(mesh)

    def on_one_device(rows, columns, temperature):
        rows, offset = _sides(rows, temperature, mesh)
        return (
            _for_range(
                lambda any_range: hopper.log_sums(
                    rows, hopper.Side(*columns), offset, hopper.Kind(halves, views, any_range)
                ),
                temperature,
            )
            / _LOG2_E
        )

    place = jnp.arange(len(rows[0]), dtype=jnp.int32)
    return with_all_columns(on_one_device, (rows, place), columns, temperature, mesh=mesh)


def gradients(
    rows: tuple[Operand, Float32[Array, " M"], Float32[Array, " M"]],
    columns: tuple[Operand, Float32[Array, " M"], Float32[Array, " M"]],
    temperature: Float32[Array, ""],
    *,
    d: int,
    views: int,
    halves: int,
    mesh: Mesh | None,
) -> Float32[Array, "M d"]:
    """Gradients with respect to the unit vectors of the rows.

    Args:
        rows: vectors, their `log_sums` over the columns, and the cotangents of those.
        columns: likewise: vectors, their sums over the rows, and the cotangents of those.
        temperature: see `log_sums`.
        d: number of dimensions.
        views: see `log_sums`.
        halves: see `log_sums`.
        mesh: see `log_sums`.
    """
    from jcl.losses.engine import hopper

    mesh = _several(mesh)

    def on_one_device(rows, columns, temperature):
        (row_operand, *of_rows), place = rows
        column_operand, *of_columns = columns
        # Scaled to about 1, because the cotangents of a mean over a batch are small.
        largest = jnp.maximum(*(jnp.max(jnp.abs(of[1])) for of in (of_rows, of_columns)))
        largest = jnp.where(largest > 0, largest, 1)
        of_rows, of_columns = (
            hopper.Known(log_sum * _LOG2_E, cotangent / largest)
            for log_sum, cotangent in (of_rows, of_columns)
        )
        side, offset = _sides((row_operand, place), temperature, mesh)
        total = _for_range(
            lambda any_range: hopper.weighted_sums(
                (side, of_rows),
                (hopper.Side(*column_operand), of_columns),
                offset,
                hopper.Kind(halves, views, any_range),
            ),
            temperature,
        )
        return total[:, :d] * (largest / temperature)

    place = jnp.arange(len(rows[1]), dtype=jnp.int32)
    return with_all_columns(on_one_device, (rows, place), columns, temperature, mesh=mesh)


def _several(mesh: Mesh | None) -> Mesh | None:
    """None for one device, whose rows have the positions that the kernels assume."""
    return None if mesh is None or mesh.size == 1 else mesh


def _sides(rows, temperature, mesh):
    """A device's rows, with logits in units of log 2, and their position in the global batch."""
    from jcl.losses.engine import hopper

    (x, scale), place = rows
    return hopper.Side(x, scale * (_LOG2_E / temperature)), None if mesh is None else place[0]


def _for_range(function, temperature):
    """`function(any_range)` for the logits that unit vectors have at this temperature."""
    return jax.lax.cond(
        1 / temperature <= _LARGEST_SCALE, lambda: function(False), lambda: function(True)
    )


def _to_whole_lines(x: BFloat16[Array, "M d"]) -> BFloat16[Array, "M w"]:
    from jcl.losses.engine import hopper

    return jnp.pad(x, ((0, 0), (0, -x.shape[1] % hopper.ALIGNMENT)))


def _reason_against(device, d: int, dtype, is_bfloat16: bool) -> str | None:
    if getattr(device, "compute_capability", None) != "9.0":
        return f"they are for NVIDIA's Hopper GPUs, and this is {device.device_kind}"
    if not _VERSIONS[0] <= jax.__version_info__ < _VERSIONS[1]:
        return f"they have not been tried with JAX {jax.__version__}"
    from jcl.losses.engine import hopper

    if dtype != jnp.float32:
        return f"they compute in float32, and embeddings are {dtype}"
    widest = hopper.WIDEST if is_bfloat16 else hopper.WIDEST // 2
    if d > widest:
        kind = "bfloat16" if is_bfloat16 else "float32"
        return f"they take {kind} embeddings of up to {widest} dimensions, and these have {d}"
    return None
