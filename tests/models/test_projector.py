"""Projection heads: SimCLR's two against NumPy, norms, options."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.projector import MLP
from tests.models.networks import drawn_variables, initialised, shapes


def apply(model, variables, features):
    return jax.jit(lambda x: model.apply(variables, x, train=True, mutable=["batch_stats"]))(
        features
    )


@pytest.mark.parametrize(("norm", "parameters"), [("batch", 16), ("layer", 16), ("none", 8)])
def test_projector_parameters_and_independence(norm, parameters):
    model = MLP(hidden_dim=8, output_dim=3, norm=norm)
    x = jax.random.normal(jax.random.key(0), (5, 6))
    variables = initialised(model, 5, 6)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == 6 * 8 + parameters + 8 * 3 + 3
    z, _ = apply(model, variables, x)
    first, _ = apply(model, variables, x[:2])
    # Only BatchNorm lets one example change another's embedding.
    assert np.allclose(z[:2], first, atol=1e-6) == (norm != "batch")


def test_names_of_the_default_heads_parameters_are_those_of_older_checkpoints():
    _, variables = shapes(MLP(), 4, 16)
    assert jax.tree.map(lambda leaf: leaf.shape, variables) == {
        "params": {
            "dense0": {"kernel": (16, 256)},
            "batch_norm0": {"scale": (256,), "bias": (256,)},
            "dense1": {"kernel": (256, 128), "bias": (128,)},
        },
        "batch_stats": {"batch_norm0": {"mean": (256,), "var": (256,)}},
    }


def test_a_head_without_a_bias_is_one_product():
    model = MLP(output_dim=3, layers=1, output_bias=False)
    _, variables = shapes(model, 4, 6)
    assert jax.tree.map(lambda leaf: leaf.shape, variables) == {
        "params": {"dense0": {"kernel": (6, 3)}}
    }


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    ("output_norm", "norm"),
    [(False, "batch"), (False, "layer"), (False, "none"), (True, "batch"), (True, "layer")],
)
def test_simclrs_heads_against_numpy(layers, output_norm, norm):
    model = MLP(hidden_dim=6, output_dim=4, layers=layers, output_norm=output_norm, norm=norm)
    inputs = jax.random.normal(jax.random.key(0), (8, 5))
    variables = drawn_variables(model, 8, 5)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])

    def dense(i, x, bias):
        layer = params[f"dense{i}"]
        assert ("bias" in layer) == bias
        return x @ layer["kernel"] + layer.get("bias", 0)

    def normalise(i, x, bias):
        axis, epsilon = {"batch": (0, 1e-5), "layer": (1, 1e-6)}[norm]
        layer = params[{"batch": f"batch_norm{i}", "layer": f"layer_norm{i}"}[norm]]
        assert ("bias" in layer) == bias
        centred = x - x.mean(axis, keepdims=True)
        deviation = np.sqrt(x.var(axis, keepdims=True) + epsilon)
        return centred / deviation * layer["scale"] + layer.get("bias", 0)

    x = np.asarray(inputs, np.float64)
    for i in range(layers - 1):
        x = dense(i, x, bias=norm == "none")
        x = np.maximum(x if norm == "none" else normalise(i, x, bias=True), 0)
    x = dense(layers - 1, x, bias=not output_norm)
    x = normalise(layers - 1, x, bias=False) if output_norm else x
    ours, _ = apply(model, variables, inputs)
    np.testing.assert_allclose(ours, x, rtol=1e-3, atol=1e-4)


def test_bfloat16_head_keeps_float32_parameters():
    options = {"layers": 3, "output_norm": True, "hidden_dim": 16, "output_dim": 8}
    exact, fast = MLP(**options), MLP(**options, dtype=jnp.bfloat16)
    assert shapes(exact, 8, 16)[1] == shapes(fast, 8, 16)[1]
    variables, x = drawn_variables(exact, 8, 16), jax.random.normal(jax.random.key(0), (8, 16))
    expected, z = (apply(model, variables, x)[0] for model in (exact, fast))
    assert z.dtype == jnp.bfloat16
    assert np.linalg.norm(z.astype(jnp.float32) - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "group"}, "projector.norm='group' is unknown; allowed: batch, layer, none"),
        ({"layers": 0}, "projector.layers=0 is impossible"),
        ({"hidden_dim": 0}, "projector.hidden_dim=0 is impossible"),
        (
            {"output_norm": True, "norm": "none"},
            "projector.output_norm=True needs a norm, but projector.norm='none'",
        ),
    ],
)
def test_impossible_options_are_named(options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        MLP(**options)
