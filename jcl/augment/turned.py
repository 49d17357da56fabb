"""Two views of an image at each of four rotations; the rotated ones serve as outliers."""

import functools

import jax.numpy as jnp

from jcl.augment.simclr import crop_and_color
from jcl.augment.views import IMAGES, Drawing, Views, check_options, check_square, several_views
from jcl.config.checks import check_count

TURNS = 4
VIEWS_A_TURN = 2
VIEWS_A_STAGE = TURNS * VIEWS_A_TURN


def turned(
    *,
    size: int | None = None,
    min_area: float = 0.08,
    strength: float = 0.5,
    grayscale: float = 0.2,
    stages: int = 4,
) -> Views:
    """For upright photographs: each view is one of `simclr_cifar`, and is then rotated.

    Each example has eight views per stage, the first stage first: [B, 8 stages, H, W, C]. In each
    stage the first two views are upright, the next two are rotated by 90 degrees counter-clockwise,
    and so on. A view is mirrored before it is rotated, so that a mirrored view of one rotation does
    not look like another rotation. Take the recipe for things with an upright pose; the generated
    `shapes` have none.

    Stages differ in strength: stage i of n has i / n of the strengths in the options, and of the
    share of the image that a crop may leave out.

    Args:
        size: side of a view in pixels; None keeps the image's, which must be square.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        stages: number of strengths, equal to `method.stages`; 1 has only the full strength.

    Source: Wang et al. 2023 (UniCon-HA), section 3. The strengths of the stages are in a supplement
    that we have not seen; the linear increase is ours.
    """
    check_options(size=size, min_area=min_area, strength=strength, grayscale=grayscale)
    check_count("views.stages", stages)

    def view(key, image, share):
        area = (1 - share * (1 - min_area), 1.0)
        image = crop_and_color(key, image, size, area, share * strength, share * grayscale)
        check_square("turned", image)
        return image

    upright = several_views(
        {
            f"stage {stage}": Drawing(functools.partial(view, share=stage / stages), VIEWS_A_STAGE)
            for stage in range(1, stages + 1)
        },
        name="turned",
    )

    def make(keys, examples):
        of_turns = [
            jnp.rot90(views, turns, (2, 3))
            for of_stage in upright(keys, examples).values()
            for turns, views in enumerate(jnp.split(of_stage, TURNS, axis=1))
        ]
        return {IMAGES: jnp.concatenate(of_turns, axis=1)}

    return make
