"""SepCLR's terms in loops of NumPy, where they are known losses, and its two heads."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.errors import UserError
from jcl.losses import alignment_uniformity
from jcl.methods.sepclr import SepCLR
from jcl.models.projector import MLP
from tests.methods.contract import Dropping

B, D = 7, 4
RANDOM = np.random.RandomState(0)
COMMON, SALIENT = RANDOM.normal(size=(2, B, D)), RANDOM.normal(size=(2, B, D - 1))
BACKGROUND = np.array([True, False, False, True, False, True, False])
T = 0.3


@pytest.fixture(autouse=True)
def _in_float64():
    with jax.enable_x64(True):
        yield


def kernel(a, b):
    return np.exp(-np.sum((a - b) ** 2) / (2 * T))


def uniformity(x):
    return np.log(np.mean([kernel(x[i], x[j]) for i, j in itertools.combinations(range(B), 2)]))


def formula(common, salient, background):
    common = common / np.linalg.norm(common, axis=-1, keepdims=True)
    shown = np.where(background[None, :, None], 0, salient)

    def alignment(x, y, which):
        return np.mean([np.sum((x[i] - y[i]) ** 2) for i in range(B) if which[i]]) / (2 * T)

    def joint(c, s):
        return np.mean(
            [
                np.log(np.mean([kernel(c[i], c[j]) * kernel(s[i], s[j]) for j in range(B)]))
                for i in range(B)
            ]
        )

    hidden = [alignment(s, np.zeros_like(s), background) for s in salient]
    return {
        "common": alignment(*common, np.ones(B)) + sum(map(uniformity, common)),
        "salient": alignment(*shown, ~background) + sum(map(uniformity, shown)),
        "background": np.mean(hidden),
        "joint": np.mean([joint(c, s) for c, s in zip(common, shown, strict=True)]),
    }


def method(**options):
    return SepCLR(encoder=Dropping(), projector=MLP(output_dim=D, norm="none"), **options)


WEIGHTS = {"common": 1, "salient": 3.0, "background": 5.0, "joint": 7.0}


@functools.cache
def compiled():
    """Loss, metrics, and gradients by both codes: one program for all tests."""
    weights = {f"{name}_weight": w for name, w in WEIGHTS.items() if name != "common"}
    weighted = method(temperature=T, **weights)

    def loss(common, salient, background):
        embeddings = {"common": common.swapaxes(0, 1), "salient": salient.swapaxes(0, 1)}
        batch = {"background": background}
        outcome = weighted.objective(None, embeddings, batch, None, None, None)
        return outcome.loss, outcome.metrics

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))


def test_the_terms_against_loops_and_their_sum():
    (loss, found), _ = compiled()(COMMON, SALIENT, BACKGROUND)
    for name, expected in formula(COMMON, SALIENT, BACKGROUND).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(loss, sum(w * found[name] for name, w in WEIGHTS.items()))


def test_the_common_term_is_alignment_and_uniformity():
    views = map(jnp.asarray, COMMON)
    expected = jax.jit(alignment_uniformity)(*views, t=1 / (2 * T), weight=4 * T) / (2 * T)
    (_, found), _ = compiled()(COMMON, SALIENT, BACKGROUND)
    np.testing.assert_allclose(found["common"], expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])  # what an archive may hold
def test_the_background_may_be_given_in_numbers(dtype):
    (_, found), _ = compiled()(COMMON, SALIENT, BACKGROUND.astype(dtype))
    for name, expected in formula(COMMON, SALIENT, BACKGROUND).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("alone", [True, False])
def test_a_batch_of_one_set_alone_has_finite_gradients(alone):
    (loss, found), gradients = compiled()(COMMON, SALIENT, np.full(B, alone))
    assert (found["background"] > 0) == alone
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in gradients)
    if alone:  # all salient codes are zero, one point
        np.testing.assert_allclose(found["salient"], 0, atol=1e-12)


def test_salient_codes_of_the_background_are_drawn_to_zero_and_nowhere_else():
    _, (_, gradient) = compiled()(COMMON, SALIENT, BACKGROUND)
    expected = WEIGHTS["background"] * 2 * SALIENT / (4 * T * BACKGROUND.sum())
    np.testing.assert_allclose(gradient[:, BACKGROUND], expected[:, BACKGROUND], atol=1e-12)
    assert gradient[:, ~BACKGROUND].all()


def test_the_heads_are_two_of_one_kind():
    views = {"image": jnp.zeros((1, 2, 8, 8, 3))}
    shapes = jax.eval_shape(lambda: method().init(jax.random.key(0), views, None))
    heads = [shapes.params[name] for name in ("projector", "salient_projector")]
    assert heads[0] == heads[1]
    variables = jax.tree.map(lambda x: jnp.asarray(RANDOM.normal(size=x.shape)), shapes)
    found = jax.jit(method().outputs)(variables, {"image": RANDOM.uniform(size=(3, 8, 8, 3))})
    assert found["salient"].shape == found["projection"].shape == (3, D)
    # The salient code is raw, and another head's.
    lengths = [np.linalg.norm(found[name], axis=1) for name in ("projection", "salient")]
    np.testing.assert_allclose(lengths[0], 1)
    assert np.abs(lengths[1] - 1).min() > 1e-3


def test_what_is_impossible_is_refused():
    for options in ({"temperature": 0.0}, {"joint_weight": -1.0}):
        with pytest.raises(UserError, match=f"method.{next(iter(options))}="):
            method(**options)
    with pytest.raises(UserError, match="batch_size=1 is impossible"):
        compiled()(COMMON[:, :1], SALIENT[:, :1], BACKGROUND[:1])
