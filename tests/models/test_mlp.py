"""The encoder of Dense layers against NumPy."""

import jax
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.models.mlp import MLPEncoder
from tests.models.networks import drawn_images, drawn_variables, loss_of


@pytest.mark.parametrize("shape", [(7, 5), (7, 4, 3, 2)], ids=["vectors", "images"])
def test_mlp_against_numpy(shape):
    model = MLPEncoder(widths=(6, 4), activation="tanh")
    variables, inputs = drawn_variables(model, *shape), drawn_images(*shape)
    params, statistics = variables["params"], variables["batch_stats"]
    x = np.asarray(inputs, np.float64).reshape(7, -1)
    for i in range(2):
        x = x @ np.asarray(params[f"layer{i}"]["kernel"], np.float64)
        mean, variance = x.mean(0), x.var(0)
        x = (x - mean) / np.sqrt(variance + 1e-5)
        x = np.tanh(x * params[f"norm{i}"]["scale"] + params[f"norm{i}"]["bias"])
    _, (features, updated) = jax.jit(loss_of(model, variables, inputs))(params)
    np.testing.assert_allclose(features, x, rtol=1e-4, atol=1e-4)
    ours = updated["batch_stats"]["norm1"]
    before = statistics["norm1"]
    np.testing.assert_allclose(
        ours["mean"], 0.9 * before["mean"] + 0.1 * mean, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(ours["var"], 0.9 * before["var"] + 0.1 * variance, rtol=1e-3)


def test_impossible_options_are_named():
    with pytest.raises(UserError, match=r"encoder.widths=\(4, 0\) is impossible"):
        MLPEncoder(widths=(4, 0))
    with pytest.raises(UserError, match=r"encoder.activation='elu' is unknown; allowed: relu"):
        MLPEncoder(activation="elu")
