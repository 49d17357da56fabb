"""Wrong arguments are refused by every public loss, in one sentence, under jit too."""

from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import jcl.losses
from jcl.errors import UserError
from jcl.losses.engine.door import comparable
from tests.losses.test_supcon import formula as supcon_formula
from tests.losses.two_view_cases import two_view_cases

Z0, Z1 = two_view_cases()["random"]
VIEWS = {"z0": Z0, "z1": Z1}
TOWERS = {"queries": Z0, "keys": Z1}
PAIRS = {"images": Z0, "texts": Z1}
COSINES = {"temperature": 0.1}
MIXING = {**COSINES, "key": jax.random.key(0), "window": 5.0}
MANY = {"z": np.stack([Z0, Z1], axis=1)}
MASK = np.ones((16, 2), bool)
CAPTIONS = np.stack([Z0, Z1, -Z0], axis=1)
LABELS, TARGETS = np.arange(16, dtype=np.int32) // 3, np.arange(16, dtype=np.float32)
# For every public loss, arrays that it takes, and the rest.
ARGUMENTS = {
    "alignment_uniformity": (VIEWS, {"t": 2.0, "weight": 1.0}),
    "bimodal_sogclr": (
        {**PAIRS, "log_image_estimates": TARGETS, "log_text_estimates": TARGETS},
        {**COSINES, "gamma": 0.5},
    ),
    "cacr": (MANY, {"t_positive": 1.0, "t_negative": 2.0, "alpha": 1.0, "beta": 1.0}),
    "cmim_contrast": ({"z": Z0}, COSINES),
    "conr": (
        {"f0": Z0, "f1": Z1, "targets": TARGETS, "predictions": TARGETS, "weights": TARGETS},
        {**COSINES, "push": 0.01},
    ),
    "dcl": (VIEWS, {**COSINES, "weight_sigma": 0.5}),
    "filip": (
        {"images": MANY["z"], "image_mask": MASK, "texts": MANY["z"], "text_mask": MASK},
        COSINES,
    ),
    "groco": ({**MANY, "anchors": MANY["z"][:, :1]}, {"neighbours": 1, "steepness": 1.0}),
    "hard_nt_xent": (VIEWS, {**COSINES, "threshold": 0.5}),
    "info_nce": (TOWERS, COSINES),
    "mixed_queue_nce": (
        {**TOWERS, "queue": Z0[:5]},
        {**COSINES, "key": jax.random.key(0), "hardest": 2, "mixed": 2, "mixed_with_query": 1},
    ),
    "mv_dhel": (MANY, COSINES),
    "mv_info_nce": (MANY, COSINES),
    "nt_xent": (VIEWS, COSINES),
    "one_to_k": ({"images": Z0, "captions": CAPTIONS}, COSINES),
    "one_way_nce": ({**TOWERS, "negatives": Z0[:5]}, COSINES),
    "query_key_nce": ({**TOWERS, "queue": Z0[:5]}, COSINES),
    "query_queue_nce": ({**TOWERS, "queue": Z0[:5]}, COSINES),
    "rank_n_contrast": ({**VIEWS, "targets": TARGETS}, COSINES),
    "siglip": (PAIRS, {**COSINES, "bias": -10.0}),
    "sinkhorn": ({"scores": Z0, "queue_scores": Z0[:5]}, {"epsilon": 0.05, "iterations": 3}),
    "soft_aggregation": (
        {**VIEWS, "labels": LABELS},
        {**COSINES, "weight_temperature": 0.5},
    ),
    "soft_info_nce": ({**TOWERS, "targets": np.eye(16, dtype=np.float32)}, COSINES),
    "sogclr": ({**VIEWS, "log_estimates": TARGETS}, {**COSINES, "gamma": 0.5}),
    "supcon": ({**VIEWS, "labels": LABELS}, COSINES),
    "supremix": ({**VIEWS, "targets": TARGETS}, MIXING),
    "transformed_queue_nce": (
        {**TOWERS, "queue": Z0[:5], "partners": np.arange(5, dtype=np.int32)[::-1]},
        {**COSINES, "extrapolation": 1.5, "query_extrapolation": 1.5, "interpolation": 0.5},
    ),
}
NOT_LOSSES = {"distances", "inner_products", "map_rows", "unit_rows"}
# Losses that need another example beside each.
OF_TWO = ("alignment_uniformity", "bimodal_sogclr", "cacr", "dcl", "groco", "mv_dhel", "sogclr")
# Axes whose sizes nothing else shares.
FREE = {
    "anchors": (1,),
    "captions": (1,),
    "negatives": (0,),
    "queue": (0,),
    "queue_scores": (0,),
    "scores": (0,),
    "z": (0, 1, 2),
}
# What may be integers as well as floats.
REAL = ("targets", "predictions", "weights")
# What may be any finite number, or any that is not negative.
FINITE = {
    "weight",
    "bias",
    "threshold",
    "alpha",
    "beta",
    "push",
    "extrapolation",
    "query_extrapolation",
    "interpolation",
}
NON_NEGATIVE = {"t_positive", "t_negative", "mixed", "mixed_with_query"}
every_loss = pytest.mark.parametrize("name", ARGUMENTS)


@pytest.fixture(autouse=True)
def _as_users_call_them():
    # The checks of annotations, which users do not have, would come first.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def assert_refused(name, arrays, others, match=None):
    loss = getattr(jcl.losses, name)
    with pytest.raises(UserError, match=match) as error:
        loss(**arrays, **others)
    sentence = str(error.value)
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "\n" not in sentence
    with pytest.raises(UserError):
        jax.eval_shape(partial(loss, **others), **arrays)


def wrong(argument, x):
    """Arrays like `x`, one thing about each of which is wrong."""
    yield x[..., None]
    yield x[0]
    yield np.stack([x, x], axis=1)
    for axis in range(x.ndim):
        if axis not in FREE.get(argument, ()):
            yield np.delete(x, 0, axis)  # too short
            yield np.take(x, [0], axis)  # broadcasts
        if argument not in ("negatives", "queue"):
            yield np.take(x, [], axis)
    yield x.astype(np.complex64)
    if x.dtype != bool:
        yield x.astype(bool) if argument in REAL else x > 0
    if argument not in REAL:
        yield x.astype(np.float32 if x.dtype == np.int32 else np.int32)


def test_every_public_loss_is_here():
    assert ARGUMENTS.keys() == set(jcl.losses.__all__) - NOT_LOSSES


@every_loss
def test_arrays(name):
    arrays, others = ARGUMENTS[name]
    jax.eval_shape(partial(getattr(jcl.losses, name), **others), **arrays)
    for argument, x in arrays.items():
        for mistake in wrong(argument, x):
            assert_refused(name, {**arrays, argument: mistake}, others)
        with pytest.raises(UserError, match=f"takes {argument} as an array"):
            getattr(jcl.losses, name)(**{**arrays, argument: x.tolist()}, **others)


@every_loss
def test_scalars(name):
    arrays, others = ARGUMENTS[name]
    for argument in others.keys() - {"key", "gamma"} - FINITE - NON_NEGATIVE:
        for mistake in (0, -0.1, np.float32(0), np.nan, np.inf, True, 1j, "0.1", np.ones(1)):
            assert_refused(name, arrays, {**others, argument: mistake}, f"^{argument} is ")
    for argument in others.keys() & NON_NEGATIVE:
        assert_refused(name, arrays, {**others, argument: -0.1}, f"^{argument} is ")
    for argument in others.keys() & (FINITE | NON_NEGATIVE):
        for mistake in (np.nan, -np.inf, True, None, np.ones((2, 2))):
            assert_refused(name, arrays, {**others, argument: mistake}, f"^{argument} is ")


@pytest.mark.parametrize("name", OF_TWO)
def test_one_example(name):
    arrays, others = ARGUMENTS[name]
    one = {argument: x[:1] for argument, x in arrays.items()}
    assert_refused(name, one, others, f"^{name} needs at least 2 examples in a batch: ")


@pytest.mark.parametrize("name", ["cacr", "groco", "mv_dhel", "mv_info_nce"])
def test_one_view(name):
    arrays, others = ARGUMENTS[name]
    one = {**arrays, "z": arrays["z"][:, :1]}
    assert_refused(name, one, others, f"^{name} needs at least 2 views of an example: ")


@pytest.mark.parametrize("iterations", [2.0, jnp.int32(3), True])
def test_whole_numbers(iterations):
    assert_refused("sinkhorn", {"scores": Z0}, {"epsilon": 0.05, "iterations": iterations})


def test_negatives_may_be_none_at_all_but_a_queue_alone_may_not():
    for name, argument in (("one_way_nce", "negatives"), ("query_key_nce", "queue")):
        jax.eval_shape(
            partial(getattr(jcl.losses, name), **COSINES), **TOWERS, **{argument: Z0[:0]}
        )
    assert_refused("query_queue_nce", {**TOWERS, "queue": Z0[:0]}, COSINES, "K is 0 in queue")


@pytest.mark.parametrize("name", ["mixed_queue_nce", "supremix"])
def test_key(name):
    arrays, others = ARGUMENTS[name]
    for mistake in (0, jax.random.split(jax.random.key(0)), np.zeros(2, np.int32)):
        assert_refused(name, arrays, {**others, "key": mistake}, "takes key as one key")


def test_fewer_keys_in_the_queue_than_are_mixed():
    arrays, others = ARGUMENTS["mixed_queue_nce"]
    match = "^mixed_queue_nce needs at least 6 keys in the queue: it was given 5"
    assert_refused("mixed_queue_nce", arrays, {**others, "hardest": 6}, match)


def test_labels_that_32_bits_do_not_hold():
    labels = np.array([5, 2**32 + 5, 5, -(2**32)])  # all 5 or 0 in their lowest 32 bits
    assert comparable(labels).tolist() == [1, 2, 1, 0]
    assert comparable(labels.astype(np.uint64)[:3]).tolist() == [0, 1, 0]
    assert comparable(labels[::2]).tolist() == [5, 5]
    unsigned = comparable(np.array([2**32 - 1, 0, 2**31], np.uint32))
    assert unsigned.dtype == np.int32
    assert len(set(unsigned.tolist())) == 3
    z0, z1 = Z0[:4], Z1[:4]
    value = jax.jit(partial(jcl.losses.supcon, labels=labels, temperature=0.1))(z0, z1)
    np.testing.assert_allclose(value, supcon_formula(z0, z1, labels, 0.1)[0], rtol=1e-5)
