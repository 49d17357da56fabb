"""Encoders of clips against the encoders of images that they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.convnet import ConvNet
from jcl.models.frames import ConvNetFrameMean, ConvNetFrameStack
from tests.models.networks import drawn_images, drawn_variables

CLIPS = (3, 4, 8, 8, 2)


def test_the_mean_of_the_frames_features_is_blind_to_their_order():
    clips, image_net = drawn_images(*CLIPS), ConvNet(widths=(4, 8))
    variables = drawn_variables(image_net, 3, 8, 8, 2)

    @jax.jit
    def features(clips):
        apart = [image_net.apply(variables, clips[:, t], train=False) for t in range(4)]
        return ConvNetFrameMean(widths=(4, 8)).apply(variables, clips, train=False), sum(apart) / 4

    found, expected = features(clips)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(features(clips[:, ::-1])[0], found, rtol=1e-5, atol=1e-6)


def test_stacked_frames_are_the_channels_of_one_image_in_their_order():
    clips, image_net = drawn_images(*CLIPS), ConvNet(widths=(4, 8))
    variables = drawn_variables(image_net, 3, 8, 8, 8)

    @jax.jit
    def features(clips):
        image = jnp.concatenate([clips[:, t] for t in range(4)], axis=-1)
        expected = image_net.apply(variables, image, train=False)
        return ConvNetFrameStack(widths=(4, 8)).apply(variables, clips, train=False), expected

    found, expected = features(clips)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(features(clips[:, ::-1])[0] - found).max() > 0.01


def test_an_encoder_of_images_refuses_clips():
    with pytest.raises(UserError, match=r"a ConvNet takes images, .* clips of 4 frames; .*_mean"):
        ConvNet().init(jax.random.key(0), jnp.zeros(CLIPS), train=True)


@pytest.mark.parametrize("encoder", [ConvNetFrameMean, ConvNetFrameStack])
def test_images_are_refused(encoder):
    with pytest.raises(UserError, match=f"a {encoder.__name__} takes clips .* holds .8, 8, 3. of"):
        encoder().init(jax.random.key(0), jnp.zeros((2, 8, 8, 3)), train=True)
