"""Max pooling 3x3 with stride 2, as at the start of a ResNet, and its gradient on GPUs.

XLA writes the gradient as a select-and-scatter. GPUs have no such instruction: they search the
windows for the places of the maxima, keep these places as 32-bit numbers, and add the gradients one
by one at these places. Here every pixel looks at the windows that hold it, at most four, and takes
the gradients of those windows whose maximum it is.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

SIDE, STRIDE = 3, 2
_PADS = ((0, 0), (1, 1), (1, 1), (0, 0))


def max_pool(x: Float[Array, "N H W C"]) -> Float[Array, "N h w C"]:
    """The largest value of each window of 3x3 pixels, at every second pixel; padded by one.

    Args:
        x: feature maps; h and w are H/2 and W/2, rounded up.
    """
    return nn.max_pool(x, (SIDE, SIDE), strides=(STRIDE, STRIDE), padding=((1, 1), (1, 1)))


def max_pool_gradient(
    x: Float[Array, "N H W C"], g: Float[Array, "N h w C"]
) -> Float[Array, "N H W C"]:
    """The gradient of `max_pool`, in the form that suits the devices the program is compiled for.

    Where values of a window are equal, the gradient goes to the first of them, row by row.

    Args:
        x: the input of `max_pool`.
        g: the gradient of its result, of the same dtype.
    """
    on_gpus = gradient_by_windows
    return jax.lax.platform_dependent(x, g, cuda=on_gpus, rocm=on_gpus, default=_by_scatter)


def _by_scatter(x, g):
    return jax.vjp(max_pool, x)[1](g)[0]


def gradient_by_windows(
    x: Float[Array, "N H W C"], g: Float[Array, "N h w C"]
) -> Float[Array, "N H W C"]:
    """`max_pool_gradient` without a scatter; its arguments are that function's."""
    place = _places(x, g.shape[1], g.shape[2])
    wide = jnp.promote_types(g.dtype, jnp.float32)
    total = 0
    # Windows a and a + 1 of either axis hold pixel 2a + 1, window a alone holds pixel 2a.
    for down in (0, 1):
        for right in (0, 1):
            sent, taken = (_spread(_after(z, down, right)) for z in (g, place))
            rows, columns = (
                _place_in_window(size, step).reshape(shape)
                for size, step, shape in (
                    (sent.shape[1], down, (-1, 1, 1)),
                    (sent.shape[2], right, (1, -1, 1)),
                )
            )
            wanted = jnp.where((rows < SIDE) & (columns < SIDE), SIDE * rows + columns, SIDE**2)
            total += jnp.where(taken == wanted, sent, 0).astype(wide)
    return total[:, : x.shape[1], : x.shape[2]].astype(x.dtype)


def _places(x, rows, columns) -> UInt8[Array, "N h w C"]:
    """Where in its window, counted row by row, the first maximum is."""
    padded = jnp.pad(x, _PADS, constant_values=-jnp.inf)
    best = place = None
    for position in range(SIDE**2):
        i, j = divmod(position, SIDE)
        value = padded[:, i : i + 2 * rows - 1 : STRIDE, j : j + 2 * columns - 1 : STRIDE]
        if best is None:
            best, place = value, jnp.zeros(value.shape, jnp.uint8)
        else:
            place = jnp.where(value > best, jnp.uint8(position), place)
            best = jnp.maximum(value, best)
    # Without the barrier, every pixel would search its windows for the maxima again.
    return jax.lax.optimization_barrier(place)


def _after(z, down, right):
    """Window (a + down, b + right) in the place of (a, b)."""
    return jnp.pad(z[:, down:, right:], ((0, 0), (0, down), (0, right), (0, 0)))


def _spread(z):
    """Every window twice along either axis: at pixels 2a and 2a + 1."""
    n, rows, columns, channels = z.shape
    z = jnp.broadcast_to(z[:, :, None, :, None], (n, rows, 2, columns, 2, channels))
    return z.reshape(n, 2 * rows, 2 * columns, channels)


def _place_in_window(pixels: int, step: int) -> UInt8[Array, " pixels"]:
    """The place of each pixel in its window a, or a + 1, along an axis; 3 where it is in none."""
    odd = jnp.arange(pixels, dtype=jnp.uint8) % 2
    return jnp.where(odd == 1, 0, SIDE).astype(jnp.uint8) if step else 1 + odd
