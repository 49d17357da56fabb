"""Checks of the inputs and options that encoders share."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.config.checks import check_positive
from jcl.errors import UserError


def check_images(encoder: str, inputs: Float[Array, "N ..."]) -> None:
    """Raises UserError if an encoder of images is given vectors or clips."""
    if inputs.ndim == 5:
        raise UserError(
            f"a {encoder} takes images, but the views are clips of {inputs.shape[1]} frames; "
            "encoder.name='convnet_frame_mean' and other encoders of clips take those"
        )
    if inputs.ndim != 4:
        raise UserError(
            f"a {encoder} takes images, but the dataset holds vectors of {inputs.shape[-1]} "
            "features; encoder.name='mlp' takes those"
        )


def first_stages(encoder: str, stages: Sequence[int], left_out: int) -> Sequence[int]:
    """All stages of an encoder except the last `left_out`; raises UserError if none is left."""
    if not 0 <= left_out < len(stages):
        raise UserError(
            f"a {encoder} of {len(stages)} stages cannot leave out its last {left_out}: one stage "
            "must be left"
        )
    return stages[: len(stages) - left_out]


def check_mean_and_std(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises UserError if these cannot be an encoder's `mean` and `std`."""
    if not mean or len(mean) != len(std):
        raise UserError(
            f"encoder.mean={tuple(mean)} and encoder.std={tuple(std)} go together: one number for "
            "all channels, or one per channel"
        )
    for value in std:
        check_positive("encoder.std", value)


def standardised(
    images: Float[Array, "N H W C"], mean: Sequence[float], std: Sequence[float]
) -> Float[Array, "N H W C"]:
    """(images - mean) / std, in the images' dtype.

    Args:
        images: in [0, 1].
        mean: one number, or one per channel.
        std: as many numbers.
    """
    if len(mean) not in (1, images.shape[-1]):
        raise UserError(
            f"encoder.mean has {len(mean)} numbers, but images have {images.shape[-1]} channels"
        )
    if len(mean) == 1:
        return (images - mean[0]) / std[0]
    return (images - jnp.asarray(mean, images.dtype)) / jnp.asarray(std, images.dtype)
