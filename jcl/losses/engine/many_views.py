"""Batches with several views per example: checks of arguments, and views as anchors."""

from typing import Any

from jax.sharding import Mesh
from jaxtyping import Array, Float

from jcl.losses.engine.door import check_arguments, check_at_least


def check_many_views(
    loss: str, z: Any, mesh: Mesh | None, *, at_least: int = 1, **arguments: tuple[Any, str]
) -> dict[str, int]:
    """`check_arguments` for two or more views of at least `at_least` examples."""
    sizes = check_arguments(loss, mesh, z=(z, "float [B, V, d]"), **arguments)
    check_at_least(loss, 2, "views of an example", sizes["V"])
    check_at_least(loss, at_least, "examples in a batch", sizes["B"])
    return sizes


def side_by_side(z: Float[Array, "B V d"]) -> Float[Array, "B*V d"]:
    """The views as anchors: those of example i are rows i V to i V + V - 1, on its device."""
    return z.reshape(-1, z.shape[-1])
