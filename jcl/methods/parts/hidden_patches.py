"""Images some of whose patches are hidden from a network."""

import functools
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray, Shaped

from jcl.errors import UserError

PyTree = Any

# The middle of [0, 1], which networks map to zero.
_GRAY = 0.5


def hide_patches(
    views: Mapping[str, PyTree],
    keys: Shaped[PRNGKeyArray, " B"],
    *,
    share: float,
    size: int,
) -> dict[str, PyTree]:
    """The views with a share of their square patches set to gray, different ones in every view.

    Args:
        views: kind -> images [B, V, H, W, C].
        keys: one per example.
        share: share of patches that are hidden, rounded to whole patches; in [0, 1).
        size: side of a patch in pixels; patches at the right and the bottom may be cut off.

    Raises:
        UserError: views are not images.
    """
    hidden = {}
    for kind, images in views.items():
        if images.ndim != 5:
            raise UserError(
                f"method.mask_share={share} hides patches of images, but the views {kind!r} are "
                "not images: set it to 0"
            )
        draw = functools.partial(_chosen, shape=images.shape[2:4], share=share, size=size)
        of_kind = functools.partial(jax.random.fold_in, data=zlib.crc32(f"hide {kind}".encode()))
        of_views = jax.vmap(jax.random.fold_in, (None, 0))
        numbers = jnp.arange(images.shape[1], dtype=jnp.uint32)
        chosen = jax.vmap(lambda key: jax.vmap(draw)(of_views(of_kind(key), numbers)))(keys)  # noqa: B023
        hidden[kind] = jnp.where(chosen[..., None], jnp.asarray(_GRAY, images.dtype), images)
    return hidden


def _chosen(
    key: PRNGKeyArray, *, shape: tuple[int, int], share: float, size: int
) -> Bool[Array, "H W"]:
    rows, columns = (-(-side // size) for side in shape)
    count = round(share * rows * columns)
    patches = jax.random.permutation(key, rows * columns).reshape(rows, columns) < count
    pixels = jnp.repeat(jnp.repeat(patches, size, axis=0), size, axis=1)
    return pixels[: shape[0], : shape[1]]
