"""What encoders say of inputs that they cannot take."""

from collections.abc import Sequence

from jaxtyping import Array, Float

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
