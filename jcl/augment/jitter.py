"""Colour jitter: brightness, contrast, saturation and hue in a random order."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jcl.augment.color import luma_of, random_factor, turn_hue
from jcl.augment.image import Image, Key

CONTRAST, HUE = 1, 3  # in an order: 0 brightness, 1 contrast, 2 saturation, 3 hue


def random_color_jitter(
    key: Key,
    image: Image,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    probability: float,
) -> Image:
    """Changes the four properties of the colours in a uniformly random order, with `probability`.

    Args:
        key: of all factors, the order, and whether anything changes.
        image: in [0, 1].
        brightness: the factor of `adjust_brightness` is uniform in [1 - s, 1 + s], never negative.
        contrast: likewise of `adjust_contrast`.
        saturation: likewise of `adjust_saturation`.
        hue: the shift of `adjust_hue` is uniform in [-s, s], in turns; at most 1/2.
        probability: of all four changes together.

    Source: Chen et al. 2020 (SimCLR), App. A; Grill et al. 2020 (BYOL), App. B.
    """
    keys = jax.random.split(key, 6)
    strengths = (brightness, contrast, saturation)
    factors = jnp.stack(
        [random_factor(k, s, image.dtype) for k, s in zip(keys[:3], strengths, strict=True)]
    )
    shift = jax.random.uniform(keys[3], (), image.dtype, -hue, hue)
    jittered = color_jitter(image, random_order(keys[4]), factors, shift)
    return jnp.where(jax.random.bernoulli(keys[5], probability), jittered, image)


def random_order(key: Key) -> Int[Array, "4"]:
    """Draws one of the 24 orders."""
    return jax.random.permutation(key, 4)


def color_jitter(
    image: Image, order: Int[Array, "4"], factors: Float[Array, "3"], shift: Float[Array, ""]
) -> Image:
    """Applies `adjust_brightness`, `_contrast`, `_saturation` and `_hue` in a traced order.

    Args:
        image: in [0, 1].
        order: a permutation of 0 brightness, 1 contrast, 2 saturation, 3 hue.
        factors: of the first three.
        shift: of the hue, in turns.
    """
    # A batched `lax.switch` computes all four changes in each of four slots. But three of them are
    # blends of image, luma and mean luma, alike but for the weights; so there are three blends
    # before the one change of hue and three after it, and those that are not due do nothing. All
    # but the mean luma, which contrast alone needs, is known a pixel at a time, so the image is
    # gone through twice: for that mean, and for the result. Channels are kept apart, because in one
    # array XLA computes each blend again for every channel that the next one reads.
    zero, one = jnp.zeros_like(shift), jnp.ones_like(shift)
    brightness, contrast, saturation = factors
    weights = jnp.stack(
        [
            jnp.stack([brightness, zero, zero]),
            jnp.stack([contrast, zero, 1 - contrast]),
            jnp.stack([saturation, 1 - saturation, zero]),
            jnp.stack([one, zero, zero]),  # nothing
        ]
    )
    slots, hue_slot = jnp.arange(4), jnp.argmax(order == HUE)
    contrast_slot = jnp.argmax(order == CONTRAST)

    def change(channels, due, shift, mean):
        def blend(channels, kind):
            own, of_luma, of_mean = weights[kind]
            gray = luma_of(channels) * of_luma + of_mean * mean
            return [jnp.clip(own * channel + gray, 0, 1) for channel in channels]

        for slot in range(3):
            channels = blend(channels, jnp.where(slot < hue_slot, due[slot], HUE))
        if len(channels) == 3:
            channels = turn_hue(*channels, shift)
        for slot in range(1, 4):
            channels = blend(channels, jnp.where(slot > hue_slot, due[slot], HUE))
        return channels

    channels = [image[..., i] for i in range(image.shape[-1])]
    before = jnp.where(slots < contrast_slot, order, HUE)
    mean = luma_of(
        change(channels, before, jnp.where(hue_slot < contrast_slot, shift, 0), 0)
    ).mean()
    return jnp.stack(change(channels, order, shift, mean), -1)
