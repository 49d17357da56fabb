"""Views that a method does not take are refused: an index past the last would not complain."""

import jax.numpy as jnp
import pytest

from jcl.data.dataset_shape import shape_of
from jcl.errors import UserError
from jcl.experiment import make_experiment
from jcl.methods.parts.chain import views_of_inputs
from jcl.methods.parts.two_view import pair_of
from tests.methods import contract
from tests.tiny import one_device


@pytest.mark.parametrize("count", [1, 3])
def test_a_pair_is_two_views(count):
    with pytest.raises(UserError, match=f"takes two views of an example, .* makes {count}$"):
        pair_of(jnp.zeros((4, count, 2)))


def test_an_encoder_of_images_sees_images_of_all_sizes_and_nothing_else():
    views = {"image": 1, "text": 2, "image_small": 3, "side": 4}
    assert views_of_inputs(views) == {"image": 1, "image_small": 3}
    with pytest.raises(UserError, match=r"takes views of image or .* makes text"):
        views_of_inputs({"text": 2})


def test_a_method_of_images_trains_on_the_images_of_pairs():
    config = contract.make_config("cross_entropy", views={"name": f"{contract.HERE}:with_text"})
    experiment = make_experiment(config, shape_of(contract.source()))
    state = experiment.state_shapes(one_device())
    assert set(state.params) == {"encoder", "head"}
