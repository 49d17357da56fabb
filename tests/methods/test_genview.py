"""GenView's weights and loss against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import nt_xent
from jcl.methods.genview import GenView, weights_of
from tests.methods.contract import Normalised
from tests.methods.test_dbpm import TAU, losses_of, steps

QUALITY = np.array([0.3, -0.2, 0.9, 0.1])


def loss(quality, gamma):
    method = GenView(encoder=Normalised(), projector=Normalised(), temperature=TAU, gamma=gamma)
    _, z = next(steps())
    with jax.enable_x64(True):
        batch = {"quality": jnp.asarray(quality)}
        return method.objective(None, jnp.asarray(z), batch, None, None, None).loss, z


def test_the_loss_against_numpy():
    found, z = loss(QUALITY, 2.0)
    weights = 4 * np.exp(2 * QUALITY) / np.exp(2 * QUALITY).sum()
    np.testing.assert_allclose(found, np.mean(weights * losses_of(z)), atol=1e-12)


def test_without_gamma_or_with_one_quality_it_is_simclr():
    with jax.enable_x64(True):
        for quality, gamma in ((QUALITY, 0.0), (np.full(4, 0.7), 3.0)):
            found, z = loss(quality, gamma)
            plain = nt_xent(jnp.asarray(z[:, 0]), jnp.asarray(z[:, 1]), temperature=TAU)
            np.testing.assert_allclose(found, plain, atol=1e-12)


def test_weights_average_one():
    np.testing.assert_allclose(weights_of(jnp.asarray(QUALITY), 5.0).mean(), 1, rtol=1e-6)


def test_qualities_are_not_rounded_with_the_embeddings():
    """The embeddings are bfloat16 where networks compute in it; 100.25 would become 100."""
    method = GenView(encoder=Normalised(), projector=Normalised(), temperature=TAU)
    quality = np.array([100, 100.25, 100.5, 100.75], np.float32)
    z = jnp.asarray(next(steps())[1], jnp.bfloat16)
    batch = {"quality": jnp.asarray(quality)}
    found = method.objective(None, z, batch, None, None, None).metrics["largest_weight"]
    weights = np.exp(quality - 100)
    np.testing.assert_allclose(found, 4 * weights.max() / weights.sum(), rtol=1e-5)


def test_impossible_options_are_refused():
    with pytest.raises(UserError, match=r"method\.gamma=-1"):
        GenView(encoder=Normalised(), projector=Normalised(), gamma=-1.0)
