"""Encoders of clips, made from encoders of images."""

import functools
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jcl.errors import UserError
from jcl.models.convnet import ConvNet
from jcl.models.resnet import ResNet


class _OfClips:
    """The attribute that marks encoders of clips."""

    frames_of_input: ClassVar = (1,)  # the axes between examples and H of the smallest input


class FrameMean(_OfClips):
    """The mean of the features of all frames; it does not depend on their order."""

    def feature_map(
        self, clips: Float[Array, "N ..."], *, train: bool, left_out: int = 0
    ) -> Float[Array, "N h w D"]:
        """The map of clips [N, T, H, W, C]; the rest as in `jcl.models.convnet.ConvNet`."""
        count, length = _check_clips(type(self).__name__, clips)
        frames = clips.reshape(-1, *clips.shape[2:])
        maps = super().feature_map(frames, train=train, left_out=left_out)
        return maps.reshape(count, length, *maps.shape[1:]).mean(1)


class FrameStack(_OfClips):
    """The features of one image whose channels are those of all frames in order."""

    def feature_map(
        self, clips: Float[Array, "N ..."], *, train: bool, left_out: int = 0
    ) -> Float[Array, "N h w D"]:
        """The map of clips [N, T, H, W, C]; the rest as in `jcl.models.convnet.ConvNet`."""
        _check_clips(type(self).__name__, clips)
        stacked = jnp.moveaxis(clips, 1, 3)
        images = stacked.reshape(*stacked.shape[:3], -1)
        return super().feature_map(images, train=train, left_out=left_out)


class ConvNetFrameMean(FrameMean, ConvNet):
    """A ConvNet on every frame of a clip, and the mean of its features."""


class ConvNetFrameStack(FrameStack, ConvNet):
    """A ConvNet on all frames of a clip at once, which are its channels."""


class ResNetFrameMean(FrameMean, ResNet):
    """A ResNet on every frame of a clip, and the mean of its features."""


class ResNetFrameStack(FrameStack, ResNet):
    """A ResNet on all frames of a clip at once, which are its channels."""


def _check_clips(encoder: str, inputs: Float[Array, "N ..."]) -> tuple[int, int]:
    """N and T; raises UserError if the inputs are not clips."""
    if inputs.ndim != 5:
        raise UserError(
            f"a {encoder} takes clips [N, T, H, W, C], but the dataset holds "
            f"{list(inputs.shape[1:])} of every example: take views.name='two_clips' and videos, "
            "or an encoder of images"
        )
    return inputs.shape[:2]


resnet50_frame_mean = functools.partial(ResNetFrameMean, stage_sizes=(3, 4, 6, 3), bottleneck=True)
resnet50_frame_stack = functools.partial(
    ResNetFrameStack, stage_sizes=(3, 4, 6, 3), bottleneck=True
)
