"""SogCLR of two towers against its formula in float64, on one device and on a mesh."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import bimodal_sogclr, info_nce
from tests.losses.test_two_view_losses import meshes, shard

IMAGES, TEXTS = np.random.RandomState(0).randn(2, 16, 4)
NEVER = np.full(16, -np.inf)
SEEN = np.random.RandomState(1).randn(2, 16)
SEEN[:, ::5] = -np.inf


def means(images, texts, temperature):
    """g [2, B] of images and of texts, as published."""
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (images, texts))
    cosines = x @ y.T
    positive, batch = np.diag(cosines), len(x)
    apart = ~np.eye(batch, dtype=bool)
    return np.stack(
        [
            np.where(apart, np.exp((s - positive[:, None]) / temperature), 0).sum(1) / (batch - 1)
            for s in (cosines, cosines.T)
        ]
    )


def estimates(log_old, g, gamma):
    old = np.exp(log_old)
    return np.where(old == 0, g, (1 - gamma) * old + gamma * g)


@cache
def value_and_gradient(gamma, mesh=None, block_size=None):
    def loss(images, texts, log_images, log_texts, temperature):
        options = {"temperature": temperature, "gamma": gamma, "mesh": mesh}
        value, *new = bimodal_sogclr(
            images, texts, log_images, log_texts, **options, block_size=block_size
        )
        return value, new

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3), has_aux=True))


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_value_estimates_and_gradient_in_float64(temperature):
    with jax.enable_x64(True):
        arguments = IMAGES, TEXTS, *SEEN
        (value, new), gradients = value_and_gradient(0.3)(*arguments, temperature)
        value, new, gradients = jax.tree.map(np.asarray, (value, new, gradients))
    u = estimates(SEEN, means(IMAGES, TEXTS, temperature), 0.3)
    np.testing.assert_allclose(np.exp(new), u, rtol=1e-12)
    np.testing.assert_allclose(value, temperature * np.log(u).mean(), rtol=1e-12)
    # The published surrogate, of which the estimates are constants.
    random = np.random.RandomState(2)
    for side, z in enumerate((IMAGES, TEXTS)):
        for _ in range(8):
            d = random.randn(*z.shape)
            moved = [
                [IMAGES + (side == 0) * step * d, TEXTS + (side == 1) * step * d]
                for step in (1e-5, -1e-5)
            ]
            high, low = (temperature * (means(*m, temperature) / u).mean() for m in moved)
            assert np.sum(gradients[side] * d) == pytest.approx((high - low) / 2e-5, rel=1e-6)
    for gradient in gradients[2:]:  # none reaches the estimates
        np.testing.assert_array_equal(gradient, 0)


def test_a_mesh_of_eight_and_blocks():
    arguments = [x.astype(np.float32) for x in (IMAGES, TEXTS, *SEEN)]
    (value, new), gradients = value_and_gradient(0.3)(*arguments, jnp.float32(0.1))
    mesh = meshes()["interleaved"]
    compiled = value_and_gradient(0.3, mesh, 1)
    (again, of_mesh), on_mesh = compiled(*shard(mesh, *arguments), jnp.float32(0.1))
    assert float(again) == pytest.approx(float(value), abs=1e-6)
    np.testing.assert_allclose(of_mesh, new, atol=1e-5)
    for a, b in zip(on_mesh, gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_it_is_info_nce_times_the_temperature_where_positives_are_small():
    """log(1 + x) is log x then, and without an average the estimates are the sums themselves."""
    with jax.enable_x64(True):
        x, never = jnp.asarray(IMAGES), jnp.asarray(NEVER)
        far = -x  # each text is the farthest from its own image
        loss, *_ = bimodal_sogclr(x, far, never, never, temperature=0.02, gamma=0.9)
        expected = 0.02 * (info_nce(x, far, temperature=0.02) - np.log(15))
    assert float(loss) == pytest.approx(float(expected), rel=1e-9)


def test_errors_in_one_sentence():
    arguments = [jnp.asarray(z, jnp.float32) for z in (IMAGES, TEXTS, NEVER, NEVER)]
    with pytest.raises(UserError, match=r"^gamma=1.5 is impossible: it is more than 0 and at most"):
        bimodal_sogclr(*arguments, temperature=0.1, gamma=1.5)
    one = [x[:1] for x in arguments]
    with pytest.raises(UserError, match="bimodal_sogclr needs at least 2 examples in a batch: "):
        bimodal_sogclr(*one, temperature=0.1, gamma=0.5)
