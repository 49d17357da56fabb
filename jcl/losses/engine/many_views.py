"""A batch of several views an example, made ready for the engine."""

from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.errors import UserError
from jcl.losses.engine.embeddings import unit_rows
from jcl.mesh import check_even_split


def unit_views(loss: str, z: Float[Array, "B V d"], mesh: Mesh | None) -> Float[Array, "B V d"]:
    """Unit rows of all views.

    Raises:
        UserError: an example has one view, in the name of the loss; or B does not divide by the
            number of devices of `mesh`.
    """
    if z.shape[1] < 2:
        raise UserError(f"{loss} needs at least 2 views of an example: one alone has no positive.")
    check_even_split(len(z), mesh)
    return unit_rows(z)


def side_by_side(z: Float[Array, "B V d"]) -> Float[Array, "B*V d"]:
    """The views as anchors: those of example i are rows i V to i V + V - 1, on its device."""
    return z.reshape(-1, z.shape[-1])
