"""SBCL's loss in loops of NumPy, its subclasses and temperatures, and when they are made."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.epoch import Epoch
from jcl.methods.parts.subclasses import counts_of_subclasses, subclasses
from jcl.methods.sbcl import SBCL, density_ratios, subclass_nce
from jcl.models.projector import MLP
from tests.methods.contract import Normalised

B, D, TAU = 8, 5, 0.3
RANDOM = np.random.RandomState(0)
Z = RANDOM.normal(size=(B, 2, D))
LABEL = np.array([0, 0, 1, 0, 2, 1, 0, 3])
CLUSTER = np.array([0, 1, 0, 1, 0, 0, 0, 0])
TEMPERATURES = np.array([0.2, 0.5, 0.3, 0.4])[LABEL]


def loss(cluster=CLUSTER, label=LABEL):
    with jax.enable_x64(True):
        arrays = map(jnp.asarray, (Z, label, cluster))
        return subclass_nce(
            *arrays, temperature=TAU, temperatures=jnp.asarray(TEMPERATURES), mesh=None
        )


def formula(cluster=CLUSTER):
    """Over the 2B embeddings, as sums over sets."""
    z = (Z / np.linalg.norm(Z, axis=2, keepdims=True)).reshape(-1, D)
    label, cluster, tau2 = (np.repeat(x, 2) for x in (LABEL, cluster, TEMPERATURES))
    n, firsts, seconds = 2 * B, [], []
    for i in range(n):
        own = i + 1 if i % 2 == 0 else i - 1
        in_class = {j for j in range(n) if j != i and label[j] == label[i]}
        in_subclass = {j for j in in_class if cluster[j] == cluster[i]}
        s, t = z @ z[i] / TAU, z @ z[i] / tau2[i]
        below = np.log(sum(np.exp(s[j]) for j in range(n) if j != i))
        firsts.append(np.mean([below - s[p] for p in in_subclass]))
        among = {j for j in range(n) if j != i and j not in in_subclass} | {own}
        below = np.log(sum(np.exp(t[j]) for j in among))
        seconds.append(np.mean([below - t[p] for p in (in_class - in_subclass) | {own}]))
    return np.mean(firsts), np.mean(seconds)


def test_the_loss_against_loops():
    np.testing.assert_allclose(loss(), formula(), rtol=1e-12)


def test_with_a_cluster_a_class_the_first_is_supcon_and_the_second_has_one_positive():
    one = np.zeros(B, int)
    found = loss(one)
    z = (Z / np.linalg.norm(Z, axis=2, keepdims=True)).reshape(-1, D)
    label, tau2 = np.repeat(LABEL, 2), np.repeat(TEMPERATURES, 2)
    s, other = z @ z.T / TAU, ~np.eye(2 * B, dtype=bool)
    positive = (label[:, None] == label) & other
    supcon = np.log(np.sum(np.exp(s), 1, where=other)) - np.mean(s, 1, where=positive)
    np.testing.assert_allclose(found[0], supcon.mean(), rtol=1e-12)
    t = z @ z.T / tau2[:, None]
    own = t[np.arange(2 * B), np.arange(2 * B) ^ 1]
    others = np.where(label[:, None] != label, np.exp(t), 0).sum(1)
    second = np.log(np.exp(own) + others) - own
    np.testing.assert_allclose(found[1], second.mean(), rtol=1e-12)


def test_a_batch_of_one_class_is_finite():
    alike = np.zeros(B, int)
    np.testing.assert_allclose(loss(alike, alike)[1], 0, atol=1e-12)
    assert np.isfinite(loss(np.arange(B), alike)).all()


SIZES = {0: 41, 1: 10, 5: 22, 7: 1}
MANY = np.repeat(list(SIZES), list(SIZES.values()))
# Class 0 is four separate directions, class 5 two; class 7 has one member.
DIRECTION = np.concatenate([np.arange(41) % 4, np.zeros(10, int), 4 + np.arange(22) % 2, [0]])
FEATURES = (np.eye(6)[DIRECTION] + 0.05 * RANDOM.normal(size=(74, 6))).astype(np.float32)


def test_subclasses_are_of_one_class_and_about_as_large_as_the_smallest():
    assert counts_of_subclasses(MANY, least=10) == {0: 4, 1: 1, 5: 2, 7: 1}
    assert counts_of_subclasses(MANY, least=1) == SIZES
    # From a key whose first examples lie in all directions, k-means finds these.
    for seed in range(20):
        found = subclasses(FEATURES, MANY, jax.random.key(seed), least=10)
        assert found.max() <= 3
        assert (found[(MANY == 1) | (MANY == 7)] == 0).all()
        pairs = {*zip(DIRECTION[MANY == 0], found[MANY == 0], strict=True)}
        if len(pairs) == 4:
            break
    else:
        raise AssertionError("no key separates directions that are at right angles")
    again = subclasses(FEATURES, MANY, jax.random.key(seed), least=10)
    np.testing.assert_array_equal(again, found)


def ratios():
    """Mean distances to the centre over log(n + 10), clipped, over their mean."""
    widths = {}
    for number, size in SIZES.items():
        rows = FEATURES[number == MANY].astype(float)
        widths[number] = np.mean([np.linalg.norm(r - rows.mean(0)) for r in rows])
        widths[number] /= np.log(size + 10)
    low, high = np.percentile([*widths.values()], [20, 80])
    clipped = {number: min(max(width, low), high) for number, width in widths.items()}
    return {n: width / np.mean([*clipped.values()]) for n, width in clipped.items()}


def test_temperatures_follow_the_density():
    found = density_ratios(FEATURES, MANY)
    expected = {number: max(ratio, 0.1) for number, ratio in ratios().items()}
    assert found == pytest.approx(expected, rel=1e-6)
    in_one_point = density_ratios(np.ones((74, 6), np.float32), MANY)
    assert in_one_point == dict.fromkeys(SIZES, 1.0)


def method(**options):
    return SBCL(encoder=Normalised(), projector=MLP(output_dim=6), n_classes=8, **options)


def test_clusters_are_made_after_the_warm_up_and_at_intervals():
    sbcl, seen = method(warm_up_epochs=2, recluster_epochs=3), []
    state = {"clusters": jnp.zeros(74, jnp.int32), "temperatures": jnp.full(8, 0.1)}
    variables = Variables({}, {}, state)
    known = {"label": MANY}

    def at(number):
        def outputs(name):
            seen.append((number, name))
            return FEATURES

        epoch = Epoch(number, jax.random.key(number), outputs, known.__getitem__)
        return sbcl.at_epoch(variables, epoch)

    after = [at(number) for number in range(9)]
    assert seen == [(2, "projection"), (5, "projection"), (8, "projection")]
    assert after[0] is variables
    assert after[6] is variables
    made = after[2].method_state
    expected = subclasses(FEATURES, MANY, jax.random.key(2), least=10)
    np.testing.assert_array_equal(made["clusters"], expected)
    wanted = np.full(8, 0.1)
    wanted[0], wanted[5] = (0.1 * max(ratios()[number], 0.1) for number in (0, 5))
    np.testing.assert_allclose(made["temperatures"], wanted, rtol=1e-6)


def test_impossible_options_are_refused():
    for options, message in [
        ({"class_weight": -1.0}, r"method\.class_weight=-1"),
        ({"recluster_epochs": 0}, r"method\.recluster_epochs=0"),
        ({"least": 0}, r"method\.least=0"),
    ]:
        with pytest.raises(UserError, match=message):
            method(**options)
