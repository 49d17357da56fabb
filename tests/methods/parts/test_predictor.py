"""What a predictor adds to encoder and projector."""

import dataclasses

import jax
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Outcome
from jcl.methods.parts.predictor import Predicted
from jcl.models.projector import MLP
from tests.methods.parts.test_momentum import STATE, VIEWS, Factor, numbers


@dataclasses.dataclass(frozen=True)
class Predicting(Predicted):
    """Whose loss does not matter."""

    def objective(self, variables, embeddings, batch, clock, key, mesh):
        return Outcome(embeddings.sum(), {}, {})


def test_projection_and_prediction_are_embedded_and_probes_see_the_projection():
    method = Predicting(encoder=Factor(), projector=Factor(), predictor=Factor(11.0))
    made = method.init(jax.random.key(0), VIEWS, None)
    variables = made._replace(params={**STATE.params, "predictor": made.params["predictor"]})
    found = method.embed(variables, VIEWS, None)
    np.testing.assert_array_equal(found.embeddings["projection"], VIEWS["image"] * 35)
    np.testing.assert_array_equal(found.embeddings["prediction"], VIEWS["image"] * 35 * 11)
    calls = {**numbers(2, 2, "calls"), "predictor": {"calls": 2}}
    assert found.model_state == calls
    seen = method.outputs(variables, {"image": VIEWS["image"][:, 0]})
    assert set(seen) == {"features", "projection"}
    np.testing.assert_array_equal(seen["features"], VIEWS["image"][:, 0] * 5)
    np.testing.assert_array_equal(seen["projection"], [[0], [1], [1]])


def test_a_predictor_of_another_width_is_refused():
    with pytest.raises(UserError, match=r"predictor.output_dim=4 .* projector.output_dim=8$"):
        Predicting(encoder=Factor(), projector=MLP(output_dim=8), predictor=MLP(output_dim=4))
