"""What encoders say of inputs that they cannot take."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.config.checks import check_positive
from jcl.errors import UserError


def check_images(encoder: str, inputs: Float[Array, "N ..."]) -> None:
    """Raises UserError where an encoder of images is given vectors."""
    if inputs.ndim != 4:
        raise UserError(
            f"a {encoder} takes images, but the dataset holds vectors of {inputs.shape[-1]} "
            "features; encoder.name='mlp' takes those"
        )


def first_stages(encoder: str, stages: Sequence[int], left_out: int) -> Sequence[int]:
    """All stages of an encoder but the last `left_out`; raises UserError where none stays."""
    if not 0 <= left_out < len(stages):
        raise UserError(
            f"a {encoder} of {len(stages)} stages is to leave out its last {left_out}, and one "
            "stage has to stay"
        )
    return stages[: len(stages) - left_out]


def check_mean_and_std(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises UserError where these cannot be an encoder's `mean` and `std`."""
    if not mean or len(mean) != len(std):
        raise UserError(
            f"encoder.mean={tuple(mean)} and encoder.std={tuple(std)} go together: one number for "
            "all channels, or one a channel"
        )
    for value in std:
        check_positive("encoder.std", value)


def standardised(
    images: Float[Array, "N H W C"], mean: Sequence[float], std: Sequence[float]
) -> Float[Array, "N H W C"]:
    """(images - mean) / std, in the images' dtype.

    Args:
        images: in [0, 1].
        mean: one number, or one a channel.
        std: as many.
    """
    if len(mean) not in (1, images.shape[-1]):
        raise UserError(
            f"encoder.mean has {len(mean)} numbers, and images have {images.shape[-1]} channels"
        )
    if len(mean) == 1:
        return (images - mean[0]) / std[0]
    return (images - jnp.asarray(mean, images.dtype)) / jnp.asarray(std, images.dtype)
