"""Core-tuning's contrast and mixtures in loops of NumPy, and where the contrast is SupCon."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.methods.base import Variables
from jcl.methods.core_tuning import CoreTuning, focal_supcon, hard_mixtures
from tests.methods.contract import Dropping

N, D, C, TAU = 8, 4, 4, 0.3
RANDOM = np.random.RandomState(0)
F = RANDOM.normal(size=(N, D))
LABEL = np.array([0, 0, 1, 1, 2, 2, 0, 3])  # 3 is alone


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def focal_formula(z, classes, focal):
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    losses = []
    for i in range(len(z)):
        s = {j: z[i] @ z[j] / TAU for j in range(len(z)) if j != i}
        total = sum(np.exp(value) for value in s.values())
        p = [np.exp(s[j]) / total for j in s if classes[j] == classes[i]]
        if p:
            losses.append(np.mean([-((1 - q) ** focal) * np.log(q) for q in p]))
    return np.mean(losses) if losses else 0.0


@jax.jit
def contrast(z, classes, focal):
    def loss(z):
        return focal_supcon(z, classes, temperature=TAU, focal=focal, mesh=None)

    return jax.value_and_grad(loss)(z)


@pytest.mark.parametrize("focal", [0.0, 1.0, 2.5])  # 0 is SupCon of one view
def test_the_contrast_against_loops(focal):
    value, gradient = contrast(F, LABEL, focal)
    np.testing.assert_allclose(value, focal_formula(F, LABEL, focal), rtol=1e-12)
    step = RANDOM.normal(size=F.shape)
    above, below = (focal_formula(F + by * step, LABEL, focal) for by in (1e-6, -1e-6))
    np.testing.assert_allclose(np.sum(gradient * step), (above - below) / 2e-6, rtol=1e-7)


def test_classes_of_one_member_are_no_loss_and_likely_positives_no_trouble():
    value, gradient = contrast(F, np.arange(N), 1.0)
    assert value == 0
    assert not gradient.any()
    pairs = np.repeat(np.eye(4), 2, axis=0)
    value, gradient = contrast(1e3 * pairs, np.repeat(np.arange(4), 2), 0.5)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@functools.cache
def mixtures(one_class=False):
    label = np.zeros(N, int) if one_class else LABEL
    make = jax.jit(functools.partial(hard_mixtures, least_share=0.8, mesh=None))
    return make(jax.random.key(1), F, label)


def partners(label):
    unit = F / np.linalg.norm(F, axis=1, keepdims=True)
    cosine, found = unit @ unit.T, []
    for i in range(N):
        same = [j for j in range(N) if j != i and label[j] == label[i]] or [i]
        others = [j for j in range(N) if label[j] != label[i]] or [i]
        found.append((min(same, key=cosine[i].__getitem__), max(others, key=cosine[i].__getitem__)))
    return np.array(found).T


@pytest.mark.parametrize("one_class", [False, True])
def test_the_second_mixture_is_of_the_hardest_partners(one_class):
    label = np.zeros(N, int) if one_class else LABEL
    _, hard = mixtures(one_class)
    positive, negative = partners(label)
    share = np.asarray(hard.share)[:, None]
    expected = share * F[positive] + (1 - share) * F[negative]
    np.testing.assert_allclose(hard.features, expected, atol=1e-12)
    np.testing.assert_array_equal(hard.first, label[positive])
    np.testing.assert_array_equal(hard.second, label[negative])
    assert np.ptp(share) > 0.3


def test_the_first_mixture_is_mostly_another_example():
    near, _ = mixtures()
    share = np.asarray(near.share)[:, None]
    assert share.min() == 0.8
    assert share.max() > 0.8
    others = (near.features - (1 - share) * F) / share
    apart = np.abs(others[:, None] - F).max(-1)
    drawn = apart.argmin(1)
    np.testing.assert_allclose(apart.min(1), 0, atol=1e-12)
    assert sorted(drawn) == [*range(N)]
    np.testing.assert_array_equal(near.first, LABEL[drawn])
    np.testing.assert_array_equal(near.second, LABEL)


def method(**options):
    return CoreTuning(
        encoder=Dropping(param_dtype=jnp.float64), n_classes=C, contrast_width=5, **options
    )


@pytest.mark.parametrize("mix", [True, False])
def test_the_objective_classifies_and_contrasts_all_rows(mix):
    tuning = method(mix=mix, temperature=TAU, contrast_weight=0.4)
    weights = {
        "head": {"dense": {"kernel": (D, C), "bias": (C,)}},
        "contrast_head": {
            "dense0": {"kernel": (D, D), "bias": (D,)},
            "dense1": {"kernel": (D, 5), "bias": (5,)},
        },
    }
    made = jax.tree.map(
        lambda shape: RANDOM.normal(size=shape), weights, is_leaf=lambda x: isinstance(x, tuple)
    )
    key, label = jax.random.key(1), LABEL[::2]

    @jax.jit
    def objective(params, f):
        batch = {"label": jnp.asarray(label)}
        return tuning.objective(Variables(params, {}), f, batch, None, key, None)

    outcome = objective(made, F.reshape(N // 2, 2, D))
    label = np.repeat(label, 2)
    rows = [(F, label, label, np.ones(N))]
    if mix:
        make = jax.jit(functools.partial(hard_mixtures, least_share=0.8, mesh=None))
        rows += [tuple(map(np.asarray, part)) for part in make(key, F, label)]
    f, first, second, share = (np.concatenate(x) for x in zip(*rows, strict=True))
    logits = f @ made["head"]["dense"]["kernel"] + made["head"]["dense"]["bias"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    at = np.arange(len(f))
    expected = -np.mean(share * log_p[at, first] + (1 - share) * log_p[at, second])
    np.testing.assert_allclose(outcome.metrics["cross_entropy"], expected, rtol=1e-12)
    hidden, last = made["contrast_head"].values()
    z = np.maximum(f @ hidden["kernel"] + hidden["bias"], 0) @ last["kernel"] + last["bias"]
    classes = np.where(first == second, first, -1 - at)
    np.testing.assert_allclose(outcome.metrics["contrast"], focal_formula(z, classes, 1.0))
    expected += 0.4 * outcome.metrics["contrast"]
    np.testing.assert_allclose(outcome.loss, expected, rtol=1e-12)


def test_impossible_options_are_refused():
    for options in ({"least_share": 1.5}, {"focal": -1.0}, {"temperature": 0.0}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            method(**options)
