"""What a network trained with labels says where its dataset is not at hand."""

import jax
import jax.numpy as jnp
import pytest

from jcl.experiment import make_method
from tests.tiny import one_device, tiny_config, tiny_experiment


@pytest.mark.parametrize(("name", "shape"), [("cross_entropy", (2, 4)), ("l1", (2,))])
def test_the_head_tells_how_many_classes_there_were_and_may_be_missing(name, shape):
    config = tiny_config(**{"encoder.name": "mlp", "method.name": name})
    config.method = {"name": name}
    variables = tiny_experiment(config).state_shapes(one_device()).probed
    method = make_method(config)  # knows nothing of the dataset
    inputs = {"image": jnp.zeros((2, 8, 8, 3))}
    found = jax.eval_shape(method.outputs, variables, inputs)
    assert {key: value.shape for key, value in found.items()} == {
        "features": (2, 8),
        "prediction": shape,
    }
    without = variables._replace(params={"encoder": variables.params["encoder"]})
    assert jax.eval_shape(method.outputs, without, inputs).keys() == {"features"}
