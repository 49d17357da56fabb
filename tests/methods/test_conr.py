"""The method ConR: L1 and the loss of features, with predictions in the target's unit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import conr
from jcl.methods.conr import ConR
from tests.methods.contract import Normalised

RANDOM = np.random.RandomState(0)
FEATURES, OUTPUT = RANDOM.normal(size=(6, 2, 5)), RANDOM.normal(size=(6, 2))
TARGET = np.array([20.0, 21.0, 25.0, 40.0, 41.5, 60.0])
SEEN = {"count": 12.0, "mean": 35.0, "variance": 225.0}  # a deviation of 15


def objective(**batch):
    method = ConR(encoder=Normalised(), window=3.0, push=0.02, weight=2.5)
    embeddings = {
        "features": jnp.asarray(FEATURES),
        "output": jnp.asarray(OUTPUT),
        "seen": {key: jnp.full(6, value) for key, value in SEEN.items()},
    }
    batch = {"target": jnp.asarray(TARGET), **batch}
    return method.objective(None, embeddings, batch, None, None, None)


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("weights", [None, np.array([1.0, 2.0, 0.5, 1.0, 0.0, 3.0])])
def test_the_loss_is_l1_and_the_contrast_by_predictions_in_years(weights):
    predictions = (35 + 15 * OUTPUT).mean(1)
    given = {} if weights is None else {"weight": jnp.asarray(weights)}
    contrast = conr(
        jnp.asarray(FEATURES[:, 0]),
        jnp.asarray(FEATURES[:, 1]),
        jnp.asarray(TARGET),
        jnp.asarray(predictions),
        window=3.0,
        push=0.02,
        weights=given.get("weight"),
    )
    assert contrast > 0
    l1 = np.abs(OUTPUT - (TARGET[:, None] - 35) / 15).mean()
    np.testing.assert_allclose(objective(**given).loss, l1 + 2.5 * contrast, atol=1e-12)


def test_impossible_options_are_refused():
    for options in ({"window": -1.0}, {"weight": -2.0}, {"temperature": 0.0}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            ConR(encoder=Normalised(), **options)
