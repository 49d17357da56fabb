"""Two views of an image at each of four quarter turns: the turned ones stand in for outliers."""

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
    """For upright photographs: each view is one of `simclr_cifar`, then it is turned.

    Of each example there are eight views a stage, the first stage's first: [B, 8 stages, H, W, C].
    In each stage the first two are upright, the next two turned by 90 degrees counter-clockwise,
    and so on. A view is mirrored before it is turned, so that no mirror image of one turn looks
    like another turn. Take the recipe for things that have an upper side: a turned one of the
    generated `shapes` is as good as an upright one.

    Stages differ in how much is changed: the strengths of stage i of n are i / n of what the
    options say, the share of the image that a crop may leave out among them.

    Args:
        size: side of a view in pixels; None keeps the image's, which must be square.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        stages: how many strengths there are, as `method.stages`; 1 has the full strength alone.

    Source: Wang et al. 2023 (UniCon-HA), section 3. The strengths of the stages stand in a
    supplement that we have not seen; the ramp is ours.
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
