"""Batch styles standardisation: all views of a batch share the style of one of its images."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jcl.augment.image import Image
from jcl.augment.simclr import simclr_view
from jcl.augment.views import IMAGES, InContext, check_options, taken_kind
from jcl.errors import UserError

_VIEWS = 2


class Style(NamedTuple):
    """The style of a view; a batch has one for each view.

    Attributes:
        amplitude: of the reference image's half spectrum, as in `jnp.fft.rfft2`.
        ratio: share of the spectrum's area that gets this amplitude.
    """

    amplitude: Float[Array, "*views H half C"]
    ratio: Float[Array, "*views"]


def batch_styles(
    *,
    size: int | None = None,
    min_ratio: float = 0.01,
    max_ratio: float = 0.1,
    min_area: float = 0.08,
    strength: float = 1.0,
    grayscale: float = 0.2,
    blur: float = 0.5,
) -> InContext:
    """The views of `simclr_imagenet`, after all images of a view were given one style.

    In every step one image of the global batch and one ratio are drawn for each of the two views.
    All images get that image's amplitudes of low frequencies and keep their own phases (`styled`).
    So an image and its negatives in a view have the same style, and the loss cannot use styles.
    Take it for images of several domains. With `max_ratio=0` it is `simclr_imagenet`.

    Args:
        size: side of a view in pixels; None keeps the image's.
        min_ratio: smallest share of the spectrum's area that is replaced.
        max_ratio: largest share of the spectrum's area that is replaced.
        min_area: smallest share of the image that a crop covers, in (0, 1].
        strength: of the colour jitter, in [0, 1].
        grayscale: probability of losing all colour.
        blur: probability of a Gaussian blur.

    Source: Scalbert et al. 2023, "Towards domain-invariant Self-Supervised Learning with Batch
    Styles Standardization" (https://arxiv.org/abs/2303.06088), section 3. We did not find its
    ratios: the defaults are ours.
    """
    check_options(
        size=size,
        min_area=min_area,
        strength=strength,
        grayscale=grayscale,
        blur=blur,
        min_ratio=min_ratio,
        max_ratio=max_ratio,
    )
    if min_ratio > max_ratio:
        raise UserError(
            f"views.min_ratio={min_ratio} is impossible: it must be at most "
            f"views.max_ratio={max_ratio}"
        )

    def context(key, batch):
        images = taken_kind("batch_styles", batch, IMAGES)
        which, ratio = jax.random.split(key)
        chosen = images[jax.random.randint(which, (_VIEWS,), 0, len(images))]
        ratios = jax.random.uniform(ratio, (_VIEWS,), images.dtype, min_ratio, max_ratio)
        return Style(jnp.abs(spectrum(chosen)), ratios)

    def view(key, image, style):
        image = styled(image, style)
        area = (min_area, 1.0)
        return simclr_view(
            key, image, size=size, area=area, strength=strength, grayscale=grayscale, blur=blur
        )

    def of_example(key, image, style):
        return jax.vmap(view, (0, None, 0))(jax.random.split(key, _VIEWS), image, style)

    def make(keys, examples, context):
        images = taken_kind("batch_styles", examples, IMAGES)
        return {IMAGES: jax.vmap(of_example, (0, 0, None))(keys, images, context)}

    return InContext(context, make)


def styled(image: Image, style: Style) -> Image:
    """The image with the style's amplitudes of low frequencies and its own phases, in [0, 1].

    Low frequencies are those in a box around zero with the image's aspect ratio: |u| <= sqrt(ratio)
    H / 2 and |v| <= sqrt(ratio) W / 2. The box covers about the share `ratio` of the spectrum. It
    is symmetric, so that the result is real. A ratio of 0 replaces no amplitudes, a ratio of 1 all.

    Args:
        image: in [0, 1].
        style: of images of the same size.

    Source: as `batch_styles`.
    """
    height, width, _ = image.shape
    own = spectrum(image)
    amplitude = jnp.abs(own)
    phase = jnp.where(amplitude > 0, own / jnp.where(amplitude > 0, amplitude, 1), 1)
    u = jnp.abs(jnp.fft.fftfreq(height, dtype=image.dtype))[:, None, None]
    v = jnp.fft.rfftfreq(width, dtype=image.dtype)[:, None]
    # The edge of the box must be included even if the square root was rounded down.
    half = jnp.sqrt(style.ratio) / 2 * (1 + 4 * jnp.finfo(image.dtype).eps)
    is_low = (jnp.maximum(u, v) <= half) & (style.ratio > 0)
    mixed = jnp.where(is_low, style.amplitude * phase, own)
    changed = jnp.fft.irfft2(mixed, (height, width), axes=(-3, -2))
    return jnp.clip(changed, 0, 1).astype(image.dtype)


def spectrum(images: Float[Array, "*N H W C"]) -> Complex[Array, "*N H half C"]:
    """The half spectrum of a real image, for each channel."""
    return jnp.fft.rfft2(images, axes=(-3, -2))
