"""Clips of videos: two for training, whose distance in time is random, and one for probes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jcl.augment.image import Image, Key
from jcl.augment.recipes import shapes_view
from jcl.augment.simclr import simclr_view
from jcl.augment.views import VIDEOS, Views, check_options, taken_kind
from jcl.config.checks import check_count


def two_clips(
    *,
    frames: int = 16,
    stride: int = 2,
    size: int | None = None,
    min_area: float = 0.3,
    strength: float = 1.0,
    grayscale: float = 0.2,
    blur: float = 0.5,
) -> Views:
    """For videos [B, T, H, W, C]: two clips [B, 2, frames, H, W, C], each one view in all frames.

    The clips come from two places of a video, which are near rather than far (`clip_starts`). Crop,
    mirror, colour jitter, grayscale and blur of `simclr_imagenet` are drawn once a clip, so that
    what moves in a clip moves in the video.

    Args:
        frames: of a clip; a shorter video begins anew.
        stride: in frames of the video, from one frame of a clip to the next.
        size: side of a view in pixels; None keeps the video's.
        min_area: smallest share of a frame that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.

    Source: Qian et al. 2021, "Spatiotemporal Contrastive Video Representation Learning" (CVRL),
    section 3; frames, stride, areas, jitter and grayscale as in the code released with it. That
    code crops at aspect ratios of 1/2 to 2 (here 3/4 to 4/3), always blurs one clip, and the other
    with probability 0.1, which it solarises with 0.2; its contrast is about the mean of the whole
    clip, here of each frame.
    """
    check_options(size=size, min_area=min_area, strength=strength, grayscale=grayscale, blur=blur)
    area = (min_area, 1.0)

    def view(key, image):
        return simclr_view(
            key, image, size=size, area=area, strength=strength, grayscale=grayscale, blur=blur
        )

    return two_views_of_clips("two_clips", view, frames, stride)


def shapes_two_clips(
    *,
    frames: int = 4,
    stride: int = 1,
    size: int | None = None,
    min_area: float = 0.7,
    channel_mix: float = 1.0,
    grayscale: float = 0.3,
) -> Views:
    """For the generated `moving`: two clips as `two_clips` has them, each one view of `shapes`.

    Args:
        frames: of a clip; a shorter video begins anew.
        stride: in frames of the video, from one frame of a clip to the next.
        size: side of a view in pixels; None keeps the video's, which must be square.
        min_area: smallest share of a frame that a crop covers, in (0, 1].
        channel_mix: share of the colours that is mixed at random, in [0, 1].
        grayscale: probability of losing all colour.
    """
    name = "shapes_two_clips"
    check_options(size=size, min_area=min_area, channel_mix=channel_mix, grayscale=grayscale)
    area = (min_area, 1.0)

    def view(key, image):
        return shapes_view(
            key, image, name, size=size, area=area, channel_mix=channel_mix, grayscale=grayscale
        )

    return two_views_of_clips(name, view, frames, stride)


def clip_starts(key: Key, length: int, frames: int, stride: int) -> Int[Array, "2"]:
    """Draws the first frames of two clips of a video, in a random order.

    With M the number of places where a clip can start, the distance of the two has the density
    2 (M - x) / M^2 on [0, M], rounded down; the earlier clip starts anywhere that leaves room for
    the later one. In a video that is too short for a clip, both start anywhere.

    Args:
        key: of both.
        length: T, frames of the video.
        frames: of a clip.
        stride: from one frame of a clip to the next.

    Source: Qian et al. 2021 (CVRL), section 3.2; the density and short videos are those of the
    released code.
    """
    if not _fits(length, frames, stride):
        return jax.random.randint(key, (2,), 0, length)
    places = length - (frames - 1) * stride
    distance_key, start_key, order_key = jax.random.split(key, 3)
    distance = clip_distance(jax.random.uniform(distance_key), places)
    first = jax.random.randint(start_key, (), 0, places - distance)
    starts = jnp.stack([first, first + distance])
    return jnp.where(jax.random.bernoulli(order_key), starts, starts[::-1])


def clip_distance(share: Float[Array, "..."], places: int) -> Int[Array, "..."]:
    """The distance that a share in [0, 1) of all pairs of clips does not reach.

    Inverts the distribution of the density 2 (M - x) / M^2 on [0, M] and rounds down.

    Args:
        share: uniform, where a distance is drawn.
        places: M.
    """
    return jnp.floor(places * (1 - jnp.sqrt(1 - share))).astype(jnp.int32)


def clip(
    video: Float[Array, "T H W C"], start: Int[Array, ""] | int, frames: int, stride: int
) -> Float[Array, "frames H W C"]:
    """Frames of a video from `start` on; after its end the video begins anew."""
    return video[(start + stride * jnp.arange(frames)) % len(video)]


def evaluation_clip(
    videos: Float[Array, "N T H W C"], frames: int, stride: int
) -> Float[Array, "N frames H W C"]:
    """What probes see of videos: the clip in the middle, without any randomness.

    Args:
        videos: in [0, 1].
        frames: of a clip; a video that is too short for one begins anew after its end.
        stride: from one frame of a clip to the next.
    """
    length = videos.shape[1]
    start = (length - (frames - 1) * stride) // 2 if _fits(length, frames, stride) else 0
    return jax.vmap(lambda video: clip(video, start, frames, stride))(videos)


def two_views_of_clips(
    name: str, view: Callable[[Key, Image], Image], frames: int, stride: int
) -> Views:
    """A recipe that changes two clips of each video, all frames of a clip in the same way.

    Args:
        name: of the recipe, for messages.
        view: makes a view of one frame; its key is that of the clip.
        frames: of a clip.
        stride: from one frame of a clip to the next.
    """
    check_count("views.frames", frames)
    check_count("views.stride", stride)

    def of_clip(key, video, start):
        return jax.vmap(view, (None, 0))(key, clip(video, start, frames, stride))

    def of_example(key, video):
        starts_key, views_key = jax.random.split(key)
        starts = clip_starts(starts_key, len(video), frames, stride)
        return jax.vmap(of_clip, (0, None, 0))(jax.random.split(views_key), video, starts)

    def make(keys, examples):
        return {VIDEOS: jax.vmap(of_example)(keys, taken_kind(name, examples, VIDEOS))}

    return make


def _fits(length: int, frames: int, stride: int) -> bool:
    return length > (frames - 1) * stride
