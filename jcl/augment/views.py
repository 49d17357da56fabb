"""Functions that recipes of views share: drawing the views of a batch, checking options."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jcl.config.checks import check_count, check_probability, check_share
from jcl.errors import UserError

PyTree = Any

# Keys [B] and examples (kind -> [B, ...], images in [0, 1]) -> views: kind -> leaves [B, V, ...].
# Further values of a recipe, such as boxes and flips, are under "side".
Views = Callable[
    [Shaped[PRNGKeyArray, " B"], Mapping[str, Shaped[Array, "B ..."]]], dict[str, PyTree]
]

_RANKS = {
    "image": ("images [B, H, W, C]", 4),
    "features": ("feature vectors [B, F]", 2),
    "video": ("videos [B, T, H, W, C]", 5),
}
IMAGES, FEATURES, VIDEOS = _RANKS
SIDE = "side"


@dataclasses.dataclass(frozen=True)
class InContext:
    """A recipe whose views of an example depend on other examples of the batch.

    Attributes:
        context: (key, examples of the global batch) -> the context of all views of a step.
        make: (keys, examples, context) -> views, as `Views`.
    """

    context: Callable[[PRNGKeyArray, Mapping[str, Array]], PyTree]
    make: Callable[..., dict[str, PyTree]]


def in_context(recipe: Views | InContext, key: PRNGKeyArray, batch: Mapping[str, Array]) -> Views:
    """The recipe for one step, with the batch's context if it needs one.

    Args:
        recipe: from `views.name`.
        key: for the context.
        batch: all examples of the step, images in [0, 1].
    """
    if not isinstance(recipe, InContext):
        return recipe
    return functools.partial(recipe.make, context=recipe.context(key, batch))


class Drawing(NamedTuple):
    """How the views of one kind are drawn.

    Attributes:
        view: maps a key, an example, and one number of each sequence, to a view.
        count: V, the number of views of each example.
        numbers: sequences of length V; view i gets the i-th number of each.
    """

    view: Callable
    count: int
    numbers: Sequence[Sequence[float]] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class SeveralViews:
    """A recipe that draws each view with a key of its own, so there can be any number.

    Attributes:
        drawings: for each kind of views.
        name: of the recipe, for messages about examples of another kind.
        takes: IMAGES, FEATURES or VIDEOS.
    """

    drawings: Mapping[str, Drawing]
    name: str | None = None
    takes: str = IMAGES

    def __call__(self, keys, examples):
        """See `Views`."""
        return jax.vmap(self._of_example)(keys, taken_kind(self.name, examples, self.takes))

    def with_count(self, count: int) -> "SeveralViews":
        """The recipe with `count` views of the kind that it takes; other kinds do not change.

        View i gets the numbers of view i mod V of the present V.
        """
        view, now, numbers = self.drawings[self.takes]
        numbers = [[values[i % now] for i in range(count)] for values in numbers]
        drawings = {**self.drawings, self.takes: Drawing(view, count, numbers)}
        return dataclasses.replace(self, drawings=drawings)

    def _of_example(self, key, example):
        total = sum(drawing.count for drawing in self.drawings.values())
        keys, first, views = jax.random.split(key, total), 0, {}
        for kind, (view, count, numbers) in self.drawings.items():
            numbers = [jnp.asarray(values) for values in numbers]
            draw = jax.vmap(view, (0, None, *[0] * len(numbers)))
            views[kind] = draw(keys[first : first + count], example, *numbers)
            first += count
        return views


def several_views(
    drawings: Mapping[str, Drawing], *, name: str | None = None, takes: str = IMAGES
) -> SeveralViews:
    """Draws views of several kinds, such as large and small ones, of each example of a batch.

    Take this if views differ in shape, and `two_views` if all are of one kind.

    Args:
        drawings: for each kind of views.
        name: of the recipe, for messages about examples of another kind.
        takes: IMAGES or FEATURES.
    """
    return SeveralViews(drawings, name, takes)


def two_views(
    view: Callable,
    *numbers: tuple[float, float],
    name: str | None = None,
    takes: str = IMAGES,
) -> SeveralViews:
    """Draws two views of each example of a batch, or `views.count` views.

    Args:
        view: maps a key, an example, and one number of each pair, to a view.
        *numbers: pairs; the first of a pair goes to view 0 and the second to view 1.
        name: of the recipe, for messages about examples of another kind.
        takes: IMAGES, FEATURES or VIDEOS, which is also the kind of the views.
    """
    return several_views({takes: Drawing(view, 2, numbers)}, name=name, takes=takes)


def with_count(recipe: Views | InContext, name: str, count: int | None) -> Views | InContext:
    """The recipe with another number of views of each example.

    Args:
        recipe: from `views.name`.
        name: of the recipe in the config.
        count: number of views of full size; None does not change the recipe.

    Raises:
        UserError: the recipe has a fixed number of views.
    """
    if count is None:
        return recipe
    if not isinstance(recipe, SeveralViews) or recipe.takes not in recipe.drawings:
        raise UserError(
            f"views.count={count} is set, but views.name={name!r} has a fixed number of views; "
            "recipes that are made by two_views of jcl.augment.views have any number"
        )
    return recipe.with_count(count)


def taken_kind(
    name: str | None, examples: Mapping[str, Shaped[Array, "B ..."]], takes: str
) -> Float[Array, "B ..."]:
    """The images of examples, their feature vectors, or their videos.

    Args:
        name: of the recipe; None without a name.
        examples: a batch.
        takes: IMAGES, FEATURES or VIDEOS.

    Raises:
        UserError: the recipe is for another kind of examples.
    """
    said, rank = _RANKS[takes]
    x = examples.get(takes)
    if x is None or x.ndim != rank or not jnp.issubdtype(x.dtype, jnp.floating):
        recipe = "this recipe of views" if name is None else f"views.name={name!r}"
        kind = next((kind for kind in (takes, *_RANKS) if kind in examples), None)
        x = examples.get(kind)
        found = f"have {', '.join(examples)}" if x is None else f"are {x.dtype}{list(x.shape)}"
        if kind == takes and x.ndim == rank:
            found += "; the dataset must hold them as bytes or floats"
        raise UserError(f"{recipe} takes {said}, but these examples {found}")
    return examples[takes]


def check_options(
    *, size: int | None = None, min_area: float | None = None, **probabilities: float
) -> None:
    """Raises UserError at the first option of a recipe whose value is impossible.

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
    """Raises UserError if images are not square, for a recipe that rotates them."""
    height, width, _ = image.shape
    if height != width:
        raise UserError(
            f"views.name={name!r} takes square images, but these are {height}x{width}; "
            "views.size makes them square"
        )


def check_colour(name: str, image: Float[Array, "H W C"]) -> None:
    """Raises UserError if images do not have three channels, for a recipe that needs them."""
    if image.shape[-1] != 3:
        raise UserError(
            f"views.name={name!r} takes images with 3 channels, but these have {image.shape[-1]}"
        )
