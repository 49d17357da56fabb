"""Hydra's loss in loops of NumPy, where all gates are open, and what its gates depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.hydra import Hydra, gated_class_nce
from jcl.models.projector import MLP
from tests.methods.contract import Normalised

N, D, TAU = 8, 5, 0.3
RANDOM = np.random.RandomState(0)
Z, GATES = RANDOM.normal(size=(N, D)), RANDOM.uniform(0.05, 0.95, (N, D))
LABEL = np.array([0, 0, 1, 1, 2, 2, 0, 3])
TARGET = np.array([1, 0, 2, 2, 0, 3, 3, 3])


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def formula(z, gates, label, target):
    losses = []
    for i in range(N):
        gated = gates[i] * z
        gated = gated / np.linalg.norm(gated, axis=1, keepdims=True)
        s = gated @ gated[i] / TAU
        rest = sum(np.exp(s[j]) for j in range(N) if label[j] not in (label[i], target[i]))
        losses += [
            np.log(np.exp(s[p]) + rest) - s[p] for p in range(N) if p != i and label[p] == target[i]
        ]
    return np.mean(losses)


def loss(z=Z, gates=GATES, label=LABEL, target=TARGET):
    arrays = map(jnp.asarray, (z, gates, label, target))
    return gated_class_nce(*arrays, temperature=TAU, mesh=None)


def test_the_loss_against_loops():
    np.testing.assert_allclose(loss(), formula(Z, GATES, LABEL, TARGET), atol=1e-12)
    # A class without another member gives no positives; 7 is alone, and its own target.
    np.testing.assert_allclose(loss(label=LABEL, target=LABEL), formula(Z, GATES, LABEL, LABEL))


def test_nearly_closed_gates_have_the_same_cosines():
    np.testing.assert_allclose(loss(gates=1e-6 * GATES), formula(Z, GATES, LABEL, TARGET))


def test_open_gates_and_own_classes_are_supcon_without_other_positives():
    z = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    s, same = z @ z.T / TAU, LABEL[:, None] == LABEL
    np.fill_diagonal(same, False)
    rest = np.where(LABEL[:, None] != LABEL, np.exp(s), 0).sum(1)
    expected = (np.log(np.exp(s) + rest[:, None]) - s)[same].mean()
    found = loss(gates=np.ones((N, D)), target=LABEL)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_gradients_are_finite_where_a_class_is_alone_or_embeddings_are_zero():
    z = Z.copy()
    z[3] = 0
    gradients = jax.grad(lambda z, g: loss(z, g), (0, 1))(jnp.asarray(z), jnp.asarray(GATES))
    assert all(np.isfinite(g).all() for g in gradients)
    all_alike = np.zeros(N, int)
    np.testing.assert_allclose(loss(label=all_alike, target=all_alike), 0, atol=1e-12)


def method(**options):
    return Hydra(encoder=Normalised(), projector=MLP(output_dim=12), n_classes=4, **options)


@pytest.mark.slow
def test_gates_are_of_the_two_classes_in_either_order():
    hydra = method(class_width=6, gate_width=7)
    views = {"image": jnp.zeros((1, 2, 8, 8, 3))}
    params = hydra.init(jax.random.key(0), views, None).params
    gates = hydra.gates(params, jnp.array([0, 3, 1]), jnp.array([3, 0, 1]), 12)
    assert gates.shape == (3, 12)
    np.testing.assert_allclose(gates[0], gates[1], atol=1e-12)
    assert np.abs(gates[0] - gates[2]).max() > 1e-3
    assert ((gates > 0) & (gates < 1)).all()


def test_impossible_options_are_refused():
    with pytest.raises(UserError, match=r"method\.gate_width=0"):
        method(gate_width=0)
