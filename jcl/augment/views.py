"""What every recipe of views shares: drawing two views a batch, checking options."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.config.checks import check_count, check_probability, check_share
from jcl.errors import UserError

# Keys and images [B, H, W, C] -> views [B, V, size_H, size_W, C]; or feature vectors [B, F] ->
# views [B, V, F].
Views = Callable[[Shaped[PRNGKeyArray, " B"], Float[Array, "B ..."]], Float[Array, "B V ..."]]

_RANKS = {"images [B, H, W, C]": 4, "feature vectors [B, F]": 2}
IMAGES, FEATURES = _RANKS


def two_views(
    view: Callable,
    *numbers: tuple[float, float],
    name: str | None = None,
    takes: str = IMAGES,
) -> Views:
    """Draws two views of each example of a batch.

    Args:
        view: maps a key, an example, and one number of each pair, to a view.
        *numbers: pairs; the first of a pair goes to view 0 and the second to view 1.
        name: of the recipe, for the message where examples are of another kind than it takes.
        takes: IMAGES or FEATURES.
    """
    numbers = [jnp.asarray(pair) for pair in numbers]
    both = jax.vmap(view, (0, None, *[0] * len(numbers)))

    def make(keys, examples):
        check_kind(name, examples, takes)
        pairs = jax.vmap(lambda key: jax.random.split(key, 2))(keys)
        return jax.vmap(lambda pair, example: both(pair, example, *numbers))(pairs, examples)

    return make


def check_kind(name: str | None, examples: Float[Array, "B ..."], takes: str) -> None:
    """Raises UserError where a recipe for images meets feature vectors, or the reverse.

    Args:
        name: of the recipe; None where it has none.
        examples: a batch.
        takes: IMAGES or FEATURES.
    """
    if examples.ndim != _RANKS[takes]:
        recipe = "this recipe of views" if name is None else f"views.name={name!r}"
        raise UserError(
            f"{recipe} takes {takes}, these examples are {examples.dtype}{list(examples.shape)}"
        )


def check_options(
    *, size: int | None = None, min_area: float | None = None, **probabilities: float
) -> None:
    """Raises UserError at the first option of a recipe that can mean nothing.

    Args:
        size: side of a view in pixels, positive.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        **probabilities: probabilities and strengths, in [0, 1].
    """
    check_count("views.size", size)
    check_share("views.min_area", min_area)
    for name, value in probabilities.items():
        check_probability(f"views.{name}", value)


def check_square(name: str, image: Float[Array, "H W C"]) -> None:
    """Raises UserError where a recipe that turns images meets one that is not square."""
    height, width, _ = image.shape
    if height != width:
        raise UserError(
            f"views.name={name!r} takes square images, these are {height}x{width}; "
            "views.size makes them square"
        )


def check_colour(name: str, image: Float[Array, "H W C"]) -> None:
    """Raises UserError where a recipe that needs three channels meets another image."""
    if image.shape[-1] != 3:
        raise UserError(
            f"views.name={name!r} takes images with 3 channels, these have {image.shape[-1]}"
        )
