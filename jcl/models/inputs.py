"""What encoders say of inputs that they cannot take."""

from jaxtyping import Array, Float

from jcl.errors import UserError


def check_images(encoder: str, inputs: Float[Array, "N ..."]) -> None:
    """Raises UserError where an encoder of images is given vectors."""
    if inputs.ndim != 4:
        raise UserError(
            f"a {encoder} takes images, but the dataset holds vectors of {inputs.shape[-1]} "
            "features; encoder.name='mlp' takes those"
        )
