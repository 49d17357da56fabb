"""Feature maps: the encoder before its mean, under the same parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models.convnet import ConvNet
from jcl.models.feature_map import FeatureMap, has_feature_map
from jcl.models.mlp import MLPEncoder
from jcl.models.resnet import resnet18, resnet50
from tests.models.networks import drawn_images
from tests.tiny import assert_same_bits


@pytest.mark.parametrize(
    ("encoder", "cells"),
    [
        (ConvNet(widths=(4, 6), blocks=1), (4, 3)),
        pytest.param(resnet18(stage_sizes=(1, 1), width=4), (2, 2), marks=pytest.mark.slow),
        pytest.param(resnet50(stage_sizes=(1, 1), width=4), (2, 2), marks=pytest.mark.slow),
    ],
)
def test_the_encoder_gives_the_mean_of_its_map(encoder, cells):
    images = drawn_images(5, 16, 12, 3)

    @jax.jit
    def both(key):
        given = encoder.init_with_output(key, images, train=True)
        return given, FeatureMap(encoder).init_with_output(key, images, train=True)

    (features, variables), (maps, of_maps) = both(jax.random.key(0))
    assert maps.shape == (5, *cells, features.shape[-1])
    np.testing.assert_allclose(maps.mean((1, 2)), features, atol=1e-6)
    assert jax.tree.structure(variables) == jax.tree.structure(of_maps)
    assert_same_bits(variables["params"], of_maps["params"])


def test_an_encoder_of_vectors_has_none():
    assert has_feature_map(resnet18())
    assert not has_feature_map(MLPEncoder())


def test_keys_reach_an_encoder_that_draws():
    from tests.methods.contract import Dropping

    encoder, images = FeatureMap(Dropping()), jnp.ones((6, 4, 4, 3))
    variables = encoder.init(jax.random.key(0), images, train=True)
    keys = jax.random.split(jax.random.key(1), 6)
    dropped = encoder.apply(variables, images, train=True, keys=keys)
    assert (np.asarray(dropped) == 0).any()
    assert (np.asarray(encoder.apply(variables, images, train=True)) != 0).all()
