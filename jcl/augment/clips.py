"""Clips of videos: two for training, at a random distance in time, and one for probes."""

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
    """For videos [B, T, H, W, C]: two clips [B, 2, frames, H, W, C], augmented alike in all frames.

    The clips start at two random times, and small distances are more likely (`clip_starts`). Crop,
    mirror, colour jitter, grayscale and blur of `simclr_imagenet` are drawn once per clip, so that
    all motion in a clip is motion in the video.

    Args:
        frames: number of frames of a clip; a shorter video is repeated.
        stride: number of video frames from one frame of a clip to the next.
        size: side of a view in pixels; None keeps the video's.
        min_area: smallest share of a frame that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.

    Source: Qian et al. 2021, "Spatiotemporal Contrastive Video Representation Learning" (CVRL),
    section 3; frames, stride, areas, jitter and grayscale as in the code released with it. That
    code crops at aspect ratios of 1/2 to 2 (here 3/4 to 4/3). It always blurs one clip; it blurs
    the other with probability 0.1 and solarises it with 0.2. Its contrast is relative to the mean
    of the whole clip, here to that of each frame.
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
    """For the generated `moving`: two clips as in `two_clips`, with the augmentation of `shapes`.

    Args:
        frames: number of frames of a clip; a shorter video is repeated.
        stride: number of video frames from one frame of a clip to the next.
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

    Let M be the number of frames at which a clip can start. The distance of the two clips has the
    density 2 (M - x) / M^2 on [0, M], rounded down. The earlier clip starts at a uniform frame that
    leaves room for the later one. In a video that is too short for a clip, both starts are uniform.

    Args:
        key: of both clips.
        length: T, frames of the video.
        frames: of a clip.
        stride: from one frame of a clip to the next.

    Source: Qian et al. 2021 (CVRL), section 3.2; the density and the rule for short videos are
    those of the released code.
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
    """The quantile of the distance of two clips.

    Inverts the distribution function of the density 2 (M - x) / M^2 on [0, M] and rounds down.

    Args:
        share: in [0, 1); uniform to draw a distance.
        places: M.
    """
    return jnp.floor(places * (1 - jnp.sqrt(1 - share))).astype(jnp.int32)


def clip(
    video: Float[Array, "T H W C"], start: Int[Array, ""] | int, frames: int, stride: int
) -> Float[Array, "frames H W C"]:
    """Frames of a video from `start` on; after its end the video is repeated."""
    return video[(start + stride * jnp.arange(frames)) % len(video)]


def evaluation_clip(
    videos: Float[Array, "N T H W C"], frames: int, stride: int
) -> Float[Array, "N frames H W C"]:
    """The input of probes for videos: the clip in the middle, without random changes.

    Args:
        videos: in [0, 1].
        frames: number of frames of a clip; a shorter video is repeated.
        stride: from one frame of a clip to the next.
    """
    length = videos.shape[1]
    start = (length - (frames - 1) * stride) // 2 if _fits(length, frames, stride) else 0
    return jax.vmap(lambda video: clip(video, start, frames, stride))(videos)


def two_views_of_clips(
    name: str, view: Callable[[Key, Image], Image], frames: int, stride: int
) -> Views:
    """A recipe that augments two clips of each video, all frames of a clip in the same way.

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
