"""Soft targets from multi-hot labels against NumPy, and where they are one-hot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import info_nce
from jcl.methods.soft_labels import SoftLabels, soft_label_nce
from tests.methods.contract import Normalised

Z = np.random.RandomState(0).normal(size=(4, 2, 5))
LABELS = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]], np.uint8)
TAU = 0.3


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def targets_of(labels):
    norms = np.linalg.norm(labels, axis=1)
    alike = np.eye(len(labels))
    for i, j in np.ndindex(alike.shape):
        if norms[i] > 0:
            alike[i, j] = labels[i] @ labels[j] / (norms[i] * norms[j]) if norms[j] else 0
    return alike / alike.sum(1, keepdims=True)


def one_way(q, k, targets):
    q, k = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, k))
    logits = q @ k.T / TAU
    return -np.mean((targets * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1))


def loss(labels, instance_weight):
    method = SoftLabels(
        encoder=Normalised(),
        projector=Normalised(),
        temperature=TAU,
        instance_weight=instance_weight,
    )
    batch = {"labels": jnp.asarray(labels)}
    return method.objective(None, jnp.asarray(Z), batch, None, None, None).loss


def plain():
    return info_nce(jnp.asarray(Z[:, 0]), jnp.asarray(Z[:, 1]), temperature=TAU)


def test_the_loss_against_numpy():
    z0, z1, targets = Z[:, 0], Z[:, 1], targets_of(LABELS.astype(float))
    guided = (one_way(z0, z1, targets) + one_way(z1, z0, targets)) / 2
    np.testing.assert_allclose(loss(LABELS, 0.0), guided, atol=1e-12)
    np.testing.assert_allclose(loss(LABELS, 0.7), guided + 0.7 * plain(), atol=1e-12)


def test_distinct_one_hot_labels_and_no_labels_are_info_nce():
    for labels in (np.eye(4, dtype=np.uint8), np.zeros((4, 3), np.uint8)):
        np.testing.assert_allclose(loss(labels, 0.5), 1.5 * plain(), atol=1e-12)


def test_repeated_one_hot_labels_share_alike():
    labels = np.array([[1, 0], [1, 0], [0, 1], [1, 0]])
    targets = np.where(labels @ labels.T, 1.0, 0) / (labels @ labels.T).sum(1, keepdims=True)
    found = soft_label_nce(
        jnp.asarray(Z[:, 0]), jnp.asarray(Z[:, 1]), jnp.asarray(labels), temperature=TAU, mesh=None
    )
    np.testing.assert_allclose(found, one_way(Z[:, 0], Z[:, 1], targets), atol=1e-12)


def test_impossible_options_are_refused():
    with pytest.raises(UserError, match=r"method\.instance_weight=-1"):
        SoftLabels(encoder=Normalised(), projector=Normalised(), instance_weight=-1.0)
