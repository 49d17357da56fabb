"""ViT against Hugging Face's PyTorch implementation with the same weights, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from jcl.models import vit  # noqa: E402
from jcl.models.positions import sincos_positions  # noqa: E402
from tests.models.networks import drawn_images, loss_of  # noqa: E402
from tests.reference.torch_weights import (  # noqa: E402
    array,
    assert_same,
    dense,
    gradients_in_place_of_weights,
    norm,
    pixels,
    randomise,
)

pytestmark = pytest.mark.reference

# Name, options and sides of the images: one network as published, two cut down.
CASES = {
    "vit_s": ("vit_s", {}, (224, 224)),
    "vit_ti": ("vit_ti", {"depth": 3, "patch_size": 4}, (32, 32)),
    "vit_b, not square": ("vit_b", {"depth": 2, "patch_size": 8, "width": 96}, (24, 40)),
}


@pytest.fixture(params=[(name, p) for name in CASES for p in vit.POSITIONS], ids=str)
def case(request):
    """Ours, theirs with its own weights, images."""
    name, positions = request.param
    name, options, sides = CASES[name]
    with jax.enable_x64(True):
        ours = getattr(vit, name)(
            positions=positions, dtype=jnp.float64, param_dtype=jnp.float64, **options
        )
        config = transformers.ViTConfig(
            image_size=sides,
            patch_size=ours.patch_size,
            hidden_size=ours.width,
            num_hidden_layers=ours.depth,
            num_attention_heads=ours.heads,
            intermediate_size=4 * ours.width,
            layer_norm_eps=1e-6,
            # Its other one computes the softmax in float32, whatever the rest is.
            attn_implementation="sdpa",
        )
        theirs = transformers.ViTModel(config, add_pooling_layer=False)
        randomise(theirs)
        if positions == "sincos":
            grid = (side // ours.patch_size for side in sides)
            table = torch.from_numpy(sincos_positions(*grid, ours.width))
            with torch.no_grad():
                theirs.embeddings.position_embeddings[0, 0] = 0
                theirs.embeddings.position_embeddings[0, 1:] = table
        yield ours, theirs, drawn_images(3, *sides, 3, dtype=jnp.float64)


def params_of(theirs, positions):
    """Their weights as our parameters."""
    embeddings, projection = theirs.embeddings, theirs.embeddings.patch_embeddings.projection
    # A convolution with one place a patch: (out, in, height, width).
    kernel = array(projection.weight.permute(2, 3, 1, 0).flatten(0, 2))
    params = {
        "patch_embedding": {"kernel": kernel, "bias": array(projection.bias)},
        "class_token": array(embeddings.cls_token[0, 0]),
        "final_norm": norm(theirs.layernorm),
    }
    if positions == "learned":
        params["position_embedding"] = array(embeddings.position_embeddings[0])
    for i, layer in enumerate(theirs.layers):
        params[f"block{i}"] = {
            "attention_norm": norm(layer.layernorm_before),
            "attention": {
                "query": dense(layer.attention.q_proj),
                "key": dense(layer.attention.k_proj),
                "value": dense(layer.attention.v_proj),
                "output": dense(layer.attention.o_proj),
            },
            "mlp_norm": norm(layer.layernorm_after),
            "mlp_hidden": dense(layer.mlp.fc1),
            "mlp_output": dense(layer.mlp.fc2),
        }
    return params


def test_features_and_gradients(case):
    ours, theirs, images = case
    params = params_of(theirs, ours.positions)
    gradient = jax.value_and_grad(loss_of(ours, {"params": params}, images), has_aux=True)
    (_, (features, _)), gradients = jax.jit(gradient)(params)
    expected = theirs(pixels(images)).last_hidden_state[:, 0]
    assert_same(features, array(expected))
    assert np.ptp(features, axis=0).max() > 0.01

    expected.sin().sum().backward()
    gradients_in_place_of_weights(theirs)
    assert_same(gradients, params_of(theirs, ours.positions), tolerance=1e-7)


def test_features_as_the_mean_of_patches(case):
    ours, theirs, images = case
    # Without a class token the patches see no other: the mask leaves it out of theirs.
    params = params_of(theirs, ours.positions)
    del params["class_token"]
    if ours.positions == "learned":
        params["position_embedding"] = params["position_embedding"][1:]
    ours = ours.clone(pooling="mean")
    features = jax.jit(lambda p, x: ours.apply({"params": p}, x, train=False))(params, images)
    mask = torch.ones(len(images), 1 + theirs.embeddings.patch_embeddings.num_patches)
    mask[:, 0] = 0
    with torch.no_grad():
        expected = theirs(pixels(images), attention_mask=mask).last_hidden_state[:, 1:].mean(1)
    assert_same(features, array(expected))
