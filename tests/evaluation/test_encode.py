"""What probes see of an image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.evaluation.encode import evaluation_inputs, output_function
from jcl.experiment import open_config
from tests.tiny import one_device, tiny_config, tiny_experiment, tiny_source


def test_probes_see_the_middle_where_views_have_a_size_of_their_own():
    images = jnp.asarray(tiny_source().arrays["image"][:5])
    features = {}
    for size in (None, 4):
        experiment = tiny_experiment(tiny_config(**{"views.name": "weak", "views.size": size}))
        state = experiment.init_state(one_device())
        apply = output_function(experiment.config, experiment.method, "features")
        features[size] = apply(state.probed, {"image": images})
    middle = images[:, 2:6, 2:6].astype(jnp.float32) / 255
    expected = experiment.method.outputs(state.probed, {"image": middle})["features"]
    np.testing.assert_allclose(features[4], expected, atol=1e-6)
    assert np.abs(features[4] - features[None]).max() > 1e-3


def test_probes_see_the_clip_in_the_middle_whether_its_length_is_set_or_the_default():
    videos = jnp.arange(2 * 9 * 8 * 8 * 3, dtype=jnp.uint8).reshape(2, 9, 8, 8, 3)
    fewer = {"views.frames": 3, "views.stride": 2}
    for options, frames in (({}, [3, 4, 5, 6]), (fewer, [2, 4, 6])):
        config = open_config(tiny_config(**{"views.name": "shapes_two_clips", **options}))
        found = evaluation_inputs({"video": videos, "label": jnp.zeros(2, int)}, config)
        expected = np.asarray(videos, np.float64)[:, frames] / 255
        np.testing.assert_allclose(found["video"], expected, rtol=1e-6)
    sized = open_config(tiny_config(**{"views.name": "two_clips", "views.size": 4}))
    assert evaluation_inputs({"video": videos}, sized)["video"].shape == (2, 16, 4, 4, 3)
    of_images = open_config(tiny_config(**{"views.name": "weak"}))
    assert evaluation_inputs({"video": videos}, of_images)["video"].shape == videos.shape


def test_an_output_that_the_method_does_not_have_is_named_with_those_it_has():
    experiment = tiny_experiment(tiny_config())
    apply = output_function(experiment.config, experiment.method, "projections")
    state, images = experiment.state_shapes(one_device()), tiny_source().arrays["image"][:2]
    with pytest.raises(UserError, match=r"'projections' is asked for.*projection, map of"):
        jax.eval_shape(apply, state.probed, {"image": images})
