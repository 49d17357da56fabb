"""ResNet against Hugging Face's PyTorch implementation with the same weights, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from jcl.models import resnet  # noqa: E402
from tests.models.networks import drawn_images, loss_of  # noqa: E402
from tests.reference.torch_weights import (  # noqa: E402
    array,
    assert_same,
    conv,
    gradients_in_place_of_weights,
    norm,
    pixels,
    randomise,
)

pytestmark = pytest.mark.reference

# Name, blocks in each stage, width, side of the images: two networks as published, two cut down.
CASES = {
    "resnet18": ("resnet18", (2, 2, 2, 2), 64, 64),
    "resnet50": ("resnet50", (3, 4, 6, 3), 64, 64),
    "narrow resnet34, odd sides": ("resnet34", (3, 4, 6, 3), 8, 75),
    "narrow, shallow resnet101": ("resnet101", (1, 2), 8, 40),
}


@pytest.fixture(params=CASES)
def case(request):
    """Ours, theirs with its own weights, images."""
    name, stage_sizes, width, side = CASES[request.param]
    with jax.enable_x64(True):
        options = {"stage_sizes": stage_sizes, "width": width}
        ours = getattr(resnet, name)(**options, dtype=jnp.float64, param_dtype=jnp.float64)
        expansion = 4 if ours.bottleneck else 1
        config = transformers.ResNetConfig(
            embedding_size=width,
            hidden_sizes=[expansion * width * 2**stage for stage in range(len(stage_sizes))],
            depths=list(stage_sizes),
            layer_type="bottleneck" if ours.bottleneck else "basic",
        )
        theirs = transformers.ResNetModel(config)
        randomise(theirs)
        yield ours, theirs, drawn_images(6, side, side, 3, dtype=jnp.float64)


def layers(theirs):
    """Yields (path of a layer in ours, the layer in theirs)."""
    yield ("stem",), theirs.embedder.embedder.convolution
    yield ("stem_norm",), theirs.embedder.embedder.normalization
    for s, stage in enumerate(theirs.encoder.stages):
        for b, block in enumerate(stage.layers):
            name = f"stage{s}_block{b}"
            for i, layer in enumerate(block.layer):
                yield (name, f"conv{i}"), layer.convolution
                yield (name, f"norm{i}"), layer.normalization
            if not isinstance(block.shortcut, torch.nn.Identity):
                yield (name, "shortcut"), block.shortcut.convolution
                yield (name, "shortcut_norm"), block.shortcut.normalization


def tree_of(theirs, conv_leaves, norm_leaves):
    """What the two functions say of each layer, in the structure of our variables."""
    tree = {}
    for path, layer in layers(theirs):
        leaves = (norm_leaves if isinstance(layer, torch.nn.BatchNorm2d) else conv_leaves)(layer)
        if leaves is not None:
            branch = tree
            for key in path[:-1]:
                branch = branch.setdefault(key, {})
            branch[path[-1]] = leaves
    return tree


def statistics_of(theirs):
    return tree_of(
        theirs,
        lambda _: None,
        lambda layer: {"mean": array(layer.running_mean), "var": array(layer.running_var)},
    )


def variables_of(theirs):
    return {"params": tree_of(theirs, conv, norm), "batch_stats": statistics_of(theirs)}


def test_features_in_inference_mode(case):
    ours, theirs, images = case
    variables = variables_of(theirs)
    with torch.no_grad():
        expected = theirs.eval()(pixels(images)).pooler_output.flatten(1)
    features = jax.jit(lambda v, x: ours.apply(v, x, train=False))(variables, images)
    assert_same(features, array(expected))
    assert np.ptp(features, axis=0).max() > 0.1


def test_features_statistics_and_gradients_in_training_mode(case):
    ours, theirs, images = case
    variables = variables_of(theirs)
    gradient = jax.value_and_grad(loss_of(ours, variables, images), has_aux=True)
    (_, (features, updated)), gradients = jax.jit(gradient)(variables["params"])

    # How many places each statistic is taken over.
    counts = {}
    for _, layer in layers(theirs):
        layer.register_forward_pre_hook(
            lambda layer, x: counts.update({layer: x[0].numel() // x[0].shape[1]})
        )
    expected = theirs.train()(pixels(images)).pooler_output.flatten(1)
    assert_same(features, array(expected))

    # Of n places torch averages the unbiased variance, n / (n - 1) times the one that normalises.
    before = variables["batch_stats"]
    batch = tree_of(
        theirs,
        lambda _: None,
        lambda layer: {"mean": 1.0, "var": 1 - 1 / counts[layer]},
    )
    after = jax.tree.map(
        lambda old, new, factor: 0.9 * old + factor * (new - 0.9 * old),
        before,
        statistics_of(theirs),
        batch,
    )
    assert_same(updated["batch_stats"], after)

    expected.sin().sum().backward()
    gradients_in_place_of_weights(theirs)
    assert_same(gradients, tree_of(theirs, conv, norm), tolerance=1e-7)
