"""SAN's contrast against its formula over whole matrices, and its source and target."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.san import SAN, soft_contrast
from jcl.models.projector import MLP
from tests.methods.contract import Dropping

B, D, SCALES, NEARNESS = 6, 3, (0.7, 0.4), 50.0
RANDOM = np.random.RandomState(0)
X, Z = RANDOM.normal(size=(B, 4)), RANDOM.normal(size=(2, B, D))
LOGITS, LABEL = RANDOM.normal(size=(B, 2, 5)), np.array([3, 1, 4, 0, 2, 2])
ORIGIN = np.array([0, 1, 0, 0, 1, 0])  # 1 is the source


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def similarity(d, sigma, nu):
    c = math.gamma((nu + 1) / 2) / (math.sqrt(nu * math.pi) * math.gamma(nu / 2))
    k0 = 2 * math.pi * c**2 * (1 + d / (sigma * nu)) ** -(nu + 1)
    return k0 + k0.T - k0 * k0.T


def squared(a):
    return ((a[:, None] - a) ** 2).sum(-1)


def binary(p, q):
    return -(p * np.log(q + 1e-12) + (1 - p) * np.log(1 - q + 1e-12))


def matrices(x, z):
    """P and Q of all views, those of view 0 first."""
    d = squared(x)
    r = (d + np.diag(np.full(len(x), np.inf))).min(1) / NEARNESS
    down, right = d + r[:, None], d + r
    near = np.block([[d, right], [down, right + r[:, None]]])
    return similarity(near, SCALES[0], 100), similarity(squared(np.concatenate(z)), SCALES[1], 10)


def formula(x, z):
    losses = binary(*matrices(x, z))
    np.fill_diagonal(losses, 0)
    return losses.mean()


@jax.jit
def _contrast(*arguments, nearness):
    def loss(x, z0, z1, included):
        scales = {"feature_scale": SCALES[0], "embedding_scale": SCALES[1]}
        return soft_contrast(x, z0, z1, included, **scales, nearness=nearness, mesh=None)

    return jax.value_and_grad(loss, (0, 1, 2))(*arguments)


def contrast(*arguments, nearness=NEARNESS):
    return _contrast(*arguments, nearness=nearness)


def test_the_contrast_against_matrices():
    value, gradients = contrast(X, *Z, np.ones(B, bool))
    np.testing.assert_allclose(value, formula(X, Z), rtol=1e-11)
    step = RANDOM.normal(size=X.shape)

    def moved(by):  # P moves with the features, and the nearest distance stays as it is
        d = squared(X) + np.diag(np.full(B, np.inf))
        r = d.min(1) / NEARNESS
        d = squared(X + by * step)
        near = np.block([[d, d + r], [d + r[:, None], d + r + r[:, None]]])
        losses = binary(similarity(near, SCALES[0], 100), matrices(X, Z)[1])
        return (losses.sum() - np.trace(losses)) / (2 * B) ** 2

    slope = (moved(1e-5) - moved(-1e-5)) / 2e-5
    np.testing.assert_allclose(np.sum(gradients[0] * step), slope, rtol=1e-7)


def test_examples_outside_do_not_count():
    included = ORIGIN == 0
    value, gradients = contrast(X, *Z, included)
    np.testing.assert_allclose(value, formula(X[included], Z[:, included]), rtol=1e-11)
    assert not any(g[~included].any() for g in gradients)


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_example_are_no_trouble(count):
    value, gradients = contrast(X, *Z, np.arange(B) < count)
    # One has no other, so that its two views are as near as can be.
    alone = matrices(X[:2] * 0, Z[:, :2])[0][0, 2]
    q = similarity(squared(Z[:, 0]), SCALES[1], 10)[0, 1]
    np.testing.assert_allclose(value, 2 * binary(alone, q) / 4 if count else 0, rtol=1e-10)
    assert all(np.isfinite(g).all() for g in gradients)


def test_far_features_leave_binary_losses_of_views_and_others():
    far = 1e9 * X
    value, _ = contrast(far, *Z, np.ones(B, bool), nearness=1e30)
    q = similarity(squared(np.concatenate(Z)), SCALES[1], 10)
    p = np.eye(2 * B, k=B) + np.eye(2 * B, k=-B)
    p *= similarity(np.zeros((1, 1)), SCALES[0], 100)  # 0.99997, not 1
    losses = binary(p, q)
    np.fill_diagonal(losses, 0)
    np.testing.assert_allclose(value, losses.mean(), rtol=1e-10)


def test_like_similarities_have_the_mean_entropy_and_no_gradient():
    # The views of two examples, at nearness 1, are apart as a chain of four points whose squared
    # distances grow by one for each link. Embeddings with the same similarities are found by
    # multidimensional scaling.
    x = np.array([[0.0], [0.6]])
    links = np.abs(np.subtract.outer([1, 2, 0, 3], [1, 2, 0, 3]))  # views 0, then views 1
    p = similarity(0.36 * links, SCALES[0], 100)
    k0_at_zero = 1 - np.sqrt(1 - similarity(np.zeros((1, 1)), SCALES[1], 10))
    k0 = 1 - np.sqrt(1 - p)
    d = 10 * SCALES[1] * ((k0 / k0_at_zero) ** (-1 / 11) - 1)
    np.fill_diagonal(d, 0)
    centred = np.eye(4) - 1 / 4
    values, vectors = np.linalg.eigh(-centred @ d @ centred / 2)
    z = (vectors * np.sqrt(np.maximum(values, 0)))[:, 1:]
    np.testing.assert_allclose(squared(z), d, atol=1e-12)
    value, gradients = contrast(x, z[:2], z[2:], np.ones(2, bool), nearness=1.0)
    entropy = binary(p, p)
    np.testing.assert_allclose(value, (entropy.sum() - np.trace(entropy)) / 16, rtol=1e-9)
    assert max(np.abs(g).max() for g in gradients[1:]) < 1e-9
    assert np.abs(gradients[0]).max() > 1e-3


@jax.jit
def objective(label, origin):
    method = SAN(encoder=Dropping(), projector=MLP(output_dim=D), n_classes=5, contrast_weight=0.3)
    embeddings = {"logits": LOGITS, "projection": Z.swapaxes(0, 1), "features": X}
    embeddings = jax.tree.map(jnp.asarray, embeddings)
    batch = {"label": label, "origin": origin}
    return method.objective(None, embeddings, batch, None, None, None)


def test_labels_of_the_target_are_not_used():
    outcome = objective(LABEL, ORIGIN)
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    of_source = [-log_p[i, :, LABEL[i]].mean() for i in np.flatnonzero(ORIGIN)]
    found = outcome.metrics
    np.testing.assert_allclose(found["cross_entropy"], np.mean(of_source), rtol=1e-12)
    expected = found["cross_entropy"] + 0.3 * found["contrast"]
    np.testing.assert_allclose(outcome.loss, expected, rtol=1e-12)
    wrong = np.where(ORIGIN == 1, LABEL, (LABEL + 1) % 5)
    np.testing.assert_array_equal(objective(wrong, ORIGIN).loss, outcome.loss)
    # Examples of the source that have no label count in neither loss.
    one = np.flatnonzero(ORIGIN)[0]
    missing = np.where((ORIGIN == 1) & (np.arange(B) != one), -1, LABEL)
    found = objective(missing, ORIGIN).metrics
    np.testing.assert_allclose(found["cross_entropy"], of_source[0], rtol=1e-12)
    np.testing.assert_array_equal(found["contrast"], outcome.metrics["contrast"])


def test_impossible_options_are_refused():
    for options in ({"nearness": 0.0}, {"contrast_weight": -1.0}, {"feature_scale": -1.0}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            SAN(encoder=Dropping(), projector=MLP(), n_classes=2, **options)
