"""cMIM's loss in NumPy, from the networks' own weights, and what its codes are drawn from."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.experiment import read_command_line
from jcl.methods.base import Variables
from jcl.methods.cmim import CMIM
from jcl.models.decoder import MLPDecoder
from tests.methods.contract import make_config

B, D = 5, 3
IMAGES = np.random.RandomState(0).uniform(size=(B, 2, 2, 3, 1))


class Flat(nn.Module):
    """A linear layer of the pixels."""

    param_dtype: jnp.dtype = jnp.float64

    @nn.compact
    def __call__(self, images, *, train):
        pixels = images.reshape(len(images), -1)
        return nn.Dense(4, dtype=jnp.float64, param_dtype=jnp.float64, name="dense")(pixels)


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def method(**options):
    types = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    decoder = MLPDecoder(widths=(4,), activation="tanh", **types)
    return CMIM(encoder=Flat(), decoder=decoder, **{"code_dim": D, **options})


OPTIONS = {"temperature": 0.7, "deviation": 0.4, "contrast_weight": 0.3}


@functools.cache
def compiled(**options):
    """The whole loss of a batch, and the drawn codes [B, 2, D], from variables and keys."""
    cmim = method(**options)

    @jax.jit
    def loss(variables, keys):
        found = cmim.embed(variables, {"image": jnp.asarray(IMAGES)}, keys)
        outcome = cmim.objective(variables, found.embeddings, {}, None, None, None)
        extra = sum(value.mean() for value in found.extra_losses.values())
        return outcome.loss + extra, found.embeddings

    return loss


def variables():
    """Drawn, because a jitted `init` would have to be compiled."""
    random = np.random.RandomState(1)

    def dense(rows, columns):
        return {"kernel": random.normal(size=(rows, columns)), "bias": random.normal(size=columns)}

    params = {
        "encoder": {"dense": dense(6, 4)},
        "code": {"dense0": dense(4, 2 * D)},
        "decoder": {"layer0": dense(D, 4), "output": dense(4, 6)},
    }
    return Variables(params, {name: {} for name in params})


KEYS = jax.random.split(jax.random.key(3), B)


def layer(x, dense):
    return x @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])


def posterior(images, params):
    """Means and logarithms of deviations [n, D]."""
    features = layer(images.reshape(len(images), -1), params["encoder"]["dense"])
    mean, log_sigma = np.split(layer(features, params["code"]["dense0"]), 2, axis=1)
    return mean, np.maximum(log_sigma, -6)


def formula(z, params, *, images, tau, deviation, weight, divide=1):
    """Of one view of each example, from the codes that were drawn."""
    x = images.reshape(len(images), -1)
    mean, log_sigma = posterior(images, params)
    sigma = np.exp(log_sigma)
    hidden = np.tanh(layer(z, params["decoder"]["layer0"]))
    values = layer(hidden, params["decoder"]["output"])

    def log_normal(x, mean, sigma):
        return np.sum(-0.5 * ((x - mean) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi)), axis=1)

    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    cosines = unit @ unit.T
    contrast = []
    for i in range(len(z)):
        others = np.mean([np.exp(cosines[i, j] / tau) for j in range(len(z)) if j != i])
        contrast.append(1 / tau - np.log(np.exp(1 / tau) + others))
    latent = log_normal(z, mean, sigma) + log_normal(z, 0.0, np.ones_like(z))
    reconstruction = log_normal(x, values, np.full_like(x, deviation))
    return -np.mean(reconstruction + weight * np.array(contrast) + 0.5 * latent / divide)


def check_loss(variables, **options):
    found, z = compiled(**options)(variables, KEYS)
    taken = {"tau": 0.7, "deviation": 0.4, "weight": 0.3}
    taken["divide"] = D if options.get("mean_over_dimensions") else 1
    z = np.asarray(z)
    of_views = [
        formula(z[:, view], variables.params, images=IMAGES[:, view], **taken) for view in range(2)
    ]
    np.testing.assert_allclose(found, np.mean(of_views), rtol=1e-12)
    return z


def test_the_loss_of_two_views_that_are_examples_of_their_own():
    check_loss(variables(), **OPTIONS)
    defaults = method()
    assert (defaults.temperature, defaults.contrast_weight) == (0.1, 1.0)


@pytest.mark.slow
def test_the_latent_terms_divided_by_the_dimension():
    check_loss(variables(), **OPTIONS, mean_over_dimensions=True)


def test_deviations_stop_shrinking():
    narrow = variables()
    narrow.params["code"]["dense0"]["bias"][D:] = -50
    z = check_loss(narrow, **OPTIONS)
    mean, _ = posterior(IMAGES[:, 0], narrow.params)
    assert 0 < np.abs(z[:, 0] - mean).max() < 5 * np.exp(-6)


def test_codes_alike_cost_log_2_and_one_code_costs_nothing():
    contrast = [
        method().objective(None, jnp.ones((n, 1, D)), {}, None, None, None).loss for n in (4, 1)
    ]
    np.testing.assert_allclose(contrast, [np.log(2), 0], atol=1e-12)


@pytest.mark.slow
def test_the_noise_is_normal_and_of_the_example_s_key():
    drawn, many = variables(), np.repeat(IMAGES[:1], 2000, axis=0)
    keys = jax.random.split(jax.random.key(3), 2000)
    z = method().embed(drawn, {"image": jnp.asarray(many)}, keys).embeddings
    for view in range(2):
        mean, log_sigma = posterior(IMAGES[:1, view], drawn.params)
        noise = (z[:, view] - mean) / np.exp(log_sigma)
        assert np.abs(noise.mean(0)).max() < 0.1  # four standard deviations
        np.testing.assert_allclose(noise.std(0), 1, atol=0.07)
    some = method().embed(drawn, {"image": jnp.asarray(many[7:9])}, keys[7:9]).embeddings
    np.testing.assert_allclose(some, z[7:9], rtol=1e-12)


def test_outputs_draw_nothing():
    drawn = variables()
    found = method().outputs(drawn, {"image": jnp.asarray(IMAGES[:, 0])})
    mean, _ = posterior(IMAGES[:, 0], drawn.params)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(found["projection"], unit, rtol=1e-12)
    hidden = np.tanh(layer(mean, drawn.params["decoder"]["layer0"]))
    np.testing.assert_allclose(found["decoder"], hidden, rtol=1e-12)


def test_impossible_options_and_views_are_refused():
    for options, message in [
        ({"deviation": 0.0}, r"method\.deviation=0\.0"),
        ({"contrast_weight": -1.0}, r"method\.contrast_weight=-1\.0"),
        ({"code_dim": 0}, r"method\.code_dim=0"),
    ]:
        with pytest.raises(UserError, match=message):
            method(**options)
    views = {"image": jnp.asarray(IMAGES), "image_small": jnp.asarray(IMAGES[:, :, :1])}
    with pytest.raises(UserError, match=r"makes image and image_small"):
        method().init(jax.random.key(0), views, None)


def test_groups_of_layers_of_a_decoder_that_is_replaced():
    config = make_config("cmim")
    config.optimizer.groups = (("decoder/layer9", None), ("decoder/output", None))
    flags = ["--config.decoder.name=jcl.models.decoder:MLPDecoder"]
    read, _, lines = read_command_line(config, flags)
    assert read.optimizer.groups == (("decoder/output", None),)
    assert any("decoder/layer9" in line and "no such part" in line for line in lines)
    with pytest.raises(UserError, match=r"decoder\.widths=\(0,\)"):
        MLPDecoder(widths=(0,))
