"""Vision Transformers: published sizes, positions, initialisation, options."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models import vit
from jcl.models.attention import SelfAttention
from jcl.models.positions import sincos_positions
from tests.models.networks import (
    drawn_images,
    drawn_variables,
    initialised,
    parameter_count,
    shapes,
)

SMALL = {"patch_size": 4, "width": 16, "depth": 1, "heads": 2}


def apply_with_intermediates(model, variables, images):
    return jax.jit(
        lambda images: model.apply(variables, images, train=False, capture_intermediates=True)
    )(images)


# timm's counts at 224 pixels with patches of 16, each with a layer to 1000 classes.
@pytest.mark.parametrize(
    ("name", "dim", "count"),
    [
        ("vit_ti", 192, 5_717_416),
        ("vit_s", 384, 22_050_664),
        ("vit_b", 768, 86_567_656),
        ("vit_l", 1024, 304_326_632),
    ],
)
def test_parameter_counts_are_the_published_ones(name, dim, count):
    model = getattr(vit, name)
    learned = parameter_count(model(positions="learned"), 1, 224, 224, 3)
    assert learned == count - 1000 * (dim + 1)
    assert parameter_count(model(), 1, 224, 224, 3) == learned - 197 * dim


def test_sincos_positions_against_the_formula():
    positions = sincos_positions(2, 3, 8)
    assert positions.shape == (6, 8)
    for row in range(2):
        for column in range(3):
            for k in range(2):
                frequency = 10000 ** (-k / 2)
                place = positions[3 * row + column]
                assert place[k] == pytest.approx(math.sin(row * frequency))
                assert place[2 + k] == pytest.approx(math.cos(row * frequency))
                assert place[4 + k] == pytest.approx(math.sin(column * frequency))
                assert place[6 + k] == pytest.approx(math.cos(column * frequency))


def test_attention_against_numpy():
    model = SelfAttention(heads=2)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 6))
    params = {
        name: {"kernel": rng.standard_normal((6, 6)), "bias": rng.standard_normal(6)}
        for name in ("query", "key", "value", "output")
    }

    def dense(name, y):
        return y @ params[name]["kernel"] + params[name]["bias"]

    expected = np.zeros_like(x)
    for n in range(2):
        heads = []
        for head in (slice(0, 3), slice(3, 6)):
            q, k, v = (dense(name, x[n])[:, head] for name in ("query", "key", "value"))
            weights = np.exp(q @ k.T / math.sqrt(3))
            heads.append(weights / weights.sum(1, keepdims=True) @ v)
        expected[n] = dense("output", np.concatenate(heads, axis=1))
    ours = model.apply({"params": params}, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)


def test_a_patch_embedding_is_a_strided_convolution():
    model = vit.ViT(**SMALL)
    images = drawn_images(2, 8, 12, 3)
    variables = drawn_variables(model, *images.shape)
    kernel = variables["params"]["patch_embedding"]["kernel"].reshape(4, 4, 3, 16)
    layout = ("NHWC", "HWIO", "NHWC")
    expected = jax.lax.conv_general_dilated(
        2 * images - 1, kernel, (4, 4), "VALID", dimension_numbers=layout
    )
    _, state = apply_with_intermediates(model, variables, images)
    (tokens,) = state["intermediates"]["patch_embedding"]["__call__"]
    bias = variables["params"]["patch_embedding"]["bias"]
    np.testing.assert_allclose(tokens, expected.reshape(2, 6, 16) + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_features_are_the_class_token_or_the_mean_of_the_others(pooling, positions):
    model = vit.ViT(pooling=pooling, positions=positions, **SMALL)
    images = drawn_images(2, 8, 12, 3)
    variables = drawn_variables(model, *images.shape)
    features, state = apply_with_intermediates(model, variables, images)
    (tokens,) = state["intermediates"]["final_norm"]["__call__"]
    extra = int(pooling == "cls")
    assert tokens.shape == (2, 6 + extra, 16)
    np.testing.assert_array_equal(features, tokens[:, 0] if extra else tokens.mean(1))
    params = variables["params"]
    assert ("class_token" in params) == (pooling == "cls")
    assert ("position_embedding" in params) == (positions == "learned")
    if positions == "learned":
        assert params["position_embedding"].shape == (6 + extra, 16)


def test_the_epsilon_is_that_of_every_norm():
    model = vit.ViT(pre_norm=True, epsilon=0.5, **SMALL)
    images = drawn_images(2, 8, 8, 3)
    variables = drawn_variables(model, *images.shape)
    params = variables["params"]
    _, state = apply_with_intermediates(model, variables, images)

    def output(*path):
        found = state["intermediates"]
        for name in path:
            found = found[name]
        return np.float64(found["__call__"][0])

    def normed(x, norm):
        centred = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(-1, keepdims=True) + 0.5)
        return norm["scale"] * centred / deviation + norm["bias"]

    tokens = output("patch_embedding") + sincos_positions(2, 2, 16)
    token = np.broadcast_to(params["class_token"], (2, 1, 16))
    attended = output("pre_norm") + output("block0", "attention")
    for x, found, norm in (
        (np.concatenate([token, tokens], 1), output("pre_norm"), params["pre_norm"]),
        (
            output("pre_norm"),
            output("block0", "attention_norm"),
            params["block0"]["attention_norm"],
        ),
        (attended, output("block0", "mlp_norm"), params["block0"]["mlp_norm"]),
        (output("block0"), output("final_norm"), params["final_norm"]),
    ):
        np.testing.assert_allclose(found, normed(x, norm), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positions", ["sincos", "learned"])
def test_positions_tell_patches_apart(positions):
    model = vit.ViT(positions=positions, pooling="mean", **SMALL)
    images = drawn_images(1, 8, 8, 3)
    variables = drawn_variables(model, *images.shape)
    swapped = jnp.concatenate([images[:, 4:], images[:, :4]], axis=1)
    ours, theirs = apply_with_intermediates(model, variables, jnp.concatenate([images, swapped]))[0]
    assert not np.allclose(ours, theirs, atol=1e-3)


def test_initialisation_is_moco_v3s():
    model = vit.ViT(patch_size=8, width=64, depth=1, heads=4, positions="learned")
    params = initialised(model, 1, 16, 16, 3)["params"]
    assert params["class_token"].shape == (64,)
    assert 0 < np.abs(params["class_token"]).max() < 1e-5
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = path[-1].key
        if name == "kernel":
            bound = math.sqrt(6 / sum(leaf.shape))  # queries, keys and values apart
            assert 0.95 * bound < np.abs(leaf).max() <= bound
        elif name == "bias":
            assert leaf.ndim == 1
            assert not leaf.any()
    assert params["patch_embedding"]["kernel"].shape == (8 * 8 * 3, 64)
    # Not theirs, whose positions are fixed: Dosovitskiy et al.'s.
    np.testing.assert_allclose(params["position_embedding"].std(), 0.02, rtol=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "encoder.patch_size=0 is impossible"),
        ({"depth": 0}, "encoder.depth=0 is impossible"),
        ({"heads": 5}, "encoder.heads=5 is impossible: it does not divide encoder.width=384"),
        ({"width": 18}, "encoder.width=18 is impossible: encoder.positions='sincos' needs"),
        ({"positions": "rope"}, "encoder.positions='rope' is unknown; allowed: sincos, learned"),
        ({"pooling": "max"}, "encoder.pooling='max' is unknown; allowed: cls, mean"),
        ({"epsilon": 0.0}, "encoder.epsilon=0.0 is impossible: it must be a positive number"),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        vit.vit_s(**options)


def test_images_that_patches_do_not_tile_are_refused():
    message = "encoder.patch_size=16 does not divide the sides of the images, 32x28"
    with pytest.raises(UserError, match=message):
        shapes(vit.vit_s(), 1, 32, 28, 3)
