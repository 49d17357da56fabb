"""SimSiam against NumPy in float64: its loss, its gradient, and the predictor's rate."""

import jax
import numpy as np

from jcl.methods.simsiam import SimSiam
from jcl.optim.groups import Group
from tests.methods.contract import make_config
from tests.methods.linear_networks import (
    assert_is_gradient,
    cosines,
    layer,
    loss_and_gradient,
    started,
    through,
    views,
)
from tests.tiny import tiny_experiment


def formula(params, target_params):
    """-1/2 (cos(p1, z2) + cos(p2, z1)), averaged over examples."""
    x = np.asarray(views()["features"])
    p = through(params, x, "encoder", "projector", "predictor")
    z = through(target_params, x, "encoder", "projector")
    return -np.mean(cosines(p[:, 0], z[:, 1]) + cosines(p[:, 1], z[:, 0])) / 2


def test_the_loss_against_numpy_and_a_gradient_that_spares_the_targets():
    with jax.enable_x64(True):
        method = SimSiam(encoder=layer(), projector=layer(), predictor=layer())
        variables = started(method)
        assert variables.method_state == {}
        (loss, outcome), gradient = loss_and_gradient(method, variables)
        params = variables.params
        np.testing.assert_allclose(loss, formula(params, params), rtol=1e-12)
        assert_is_gradient(gradient, lambda moved: formula(moved, params), params)
        z = through(params, np.asarray(views()["features"]), "encoder", "projector")
        positives = cosines(z[:, 0], z[:, 1]).mean()  # of projections, not of predictions
        np.testing.assert_allclose(outcome.metrics["positive_similarity"], positives, rtol=1e-12)


def test_the_predictors_rate_is_constant_unless_the_config_says_otherwise():
    constant = Group("predictor", constant_rate=True)
    assert tiny_experiment(make_config("simsiam")).groups == (constant,)
    overruled = make_config("simsiam")
    overruled.optimizer.groups = (("predictor", {}),)
    first = tiny_experiment(overruled).groups[0]
    assert (first.pattern, first.constant_rate) == ("predictor", False)
