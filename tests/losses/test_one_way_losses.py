"""Losses of queries against keys, queues and hard negatives, against formulas in float64."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

import jcl.losses
from tests.losses import one_way_formulas as formulas
from tests.losses.contrastive_formulas import gradient_tolerance, two_view_loss, value_tolerance
from tests.losses.engine_example_formulas import value_and_gradients
from tests.losses.hlo import collectives, largest_array
from tests.losses.test_two_view_losses import meshes, shard
from tests.losses.two_view_cases import two_view_cases

# Eight examples, one a device.
CASES = {name: tuple(z[:8] for z in views) for name, views in two_view_cases().items()}
# Not a multiple of any number of devices. The last is a row of zeros, another is small.
EXTRA = np.random.default_rng(8).normal(size=(5, 8)).astype(np.float32)
EXTRA[1:3], EXTRA[4] = 1e-3 * EXTRA[1:3], 0
THRESHOLD, BIAS = np.float32(0.2), np.float32(-3)


def with_negatives(z0, z1):
    return {"queries": z0, "keys": z1, "negatives": EXTRA}


def with_queue(z0, z1):
    return {"queries": z0, "keys": z1, "queue": EXTRA}


def with_captions(z0, z1):
    return {"images": z0, "captions": np.stack([z1, z0[::-1], z1], axis=1)}


# Arrays made of a case, scalars besides the temperature, and what gets no gradient.
LOSSES = {
    "one_way_nce": (with_negatives, {}, ()),
    "query_key_nce": (with_queue, {}, ("keys", "queue")),
    "query_queue_nce": (with_queue, {}, ("keys", "queue")),
    "hard_nt_xent": (lambda z0, z1: {"z0": z0, "z1": z1}, {"threshold": THRESHOLD}, ("threshold",)),
    "siglip": (lambda z0, z1: {"images": z0, "texts": z1}, {"bias": BIAS}, ()),
    "cmim_contrast": (lambda z0, z1: {"z": z0}, {}, ()),
    "one_to_k": (with_captions, {}, ()),
}
FORMULAS = {name: getattr(formulas, name) for name in LOSSES if name != "query_key_nce"}
FORMULAS["query_key_nce"] = formulas.one_way_nce
COPIED = ("negatives", "queue")  # whole on every device
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


@cache
def value_and_gradient(name, mesh=None, block_size=None):
    """Jitted once for each loss, mesh and block size; gradients of all arguments."""

    def loss(arguments):
        function = getattr(jcl.losses, name)
        return function(**arguments, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss))


def arguments_of(name, views, temperature):
    make, scalars, _ = LOSSES[name]
    return make(*views), {"temperature": np.float32(temperature), **scalars}


@cache
def expected(name, case, temperature):
    arrays, scalars = arguments_of(name, CASES[case], temperature)
    return evaluate_formula(name, arrays, scalars)


def evaluate_formula(name, arrays, scalars):
    values = map(np.float64, (*arrays.values(), *scalars.values()))
    value, gradients = value_and_gradients(FORMULAS[name], *values)
    gradients = dict(zip((*arrays, *scalars), gradients, strict=True))
    return value, {k: 0 * g if k in LOSSES[name][2] else g for k, g in gradients.items()}


def assert_matches(result, expected, arrays, scalars):
    value, gradients = result
    expected_value, expected_gradients = expected
    assert gradients.keys() == expected_gradients.keys()
    temperature = float(scalars["temperature"])
    assert abs(float(value) - expected_value) <= value_tolerance(expected_value)
    for name, e in expected_gradients.items():
        g = np.asarray(gradients[name], np.float64)
        if name in arrays:
            # Times the norm, as if rows had been of unit norm.
            norm = np.linalg.norm(np.float64(arrays[name]), axis=-1, keepdims=True)
            assert np.max(np.abs(g - e) * norm) <= gradient_tolerance(e * norm, temperature, 16)
            assert not np.any(g[norm[..., 0] == 0])
        else:
            scale = 1e-5 * max(abs(e), 1 / temperature, 1) / min(temperature, 1)
            assert abs(g - e) <= scale, name


@every_loss
def test_float32(name):
    for case in ("random", "near duplicate views", "identical rows", "zero rows", "only zeros"):
        for temperature in (0.005, 0.1):
            arrays, scalars = arguments_of(name, CASES[case], temperature)
            result = value_and_gradient(name)({**arrays, **scalars})
            assert_matches(result, expected(name, case, temperature), arrays, scalars)


# On two meshes where sums over devices are of two kinds: over columns and over copies.
@pytest.mark.parametrize(
    ("name", "layout"), [*((name, "4x2") for name in LOSSES), ("one_way_nce", "8")]
)
def test_meshes_in_float64(name, layout):
    mesh = meshes()[layout]
    with jax.enable_x64(True):
        for case in ("random", "zero rows"):
            arrays, scalars = arguments_of(name, CASES[case], 0.07)
            arrays = {k: x.astype(np.float64) for k, x in arrays.items()}
            sharded = {k: x if k in COPIED else shard(mesh, x)[0] for k, x in arrays.items()}
            scalars = {k: np.float64(x) for k, x in scalars.items()}
            value, gradients = value_and_gradient(name, mesh)({**sharded, **scalars})
            assert value.dtype == jnp.float64
            e, expected_gradients = evaluate_formula(name, arrays, scalars)
            np.testing.assert_allclose(value, e, rtol=1e-11)
            for k, e in expected_gradients.items():
                np.testing.assert_allclose(gradients[k], e, rtol=1e-9, atol=1e-9, err_msg=k)


@every_loss
def test_one_example(name):
    arrays, scalars = arguments_of(name, [z[:1] for z in CASES["random"]], 0.1)
    value, gradients = evaluate_formula(name, arrays, scalars)
    alone = name in ("one_way_nce", "query_key_nce", "hard_nt_xent", "cmim_contrast")
    if alone:  # without negatives nothing is to be told apart
        arrays = {k: x for k, x in arrays.items() if k not in COPIED}
        value, gradients = 0, {k: np.zeros_like(x) for k, x in {**arrays, **scalars}.items()}
    result = value_and_gradient(name)({**arrays, **scalars})
    assert_matches(result, (value, gradients), arrays, scalars)
    assert not alone or result[0] == 0


@every_loss
def test_dtypes(name):
    arrays, scalars = arguments_of(name, CASES["random"], 0.1)
    half = {k: x.astype(jnp.bfloat16) for k, x in arrays.items()}
    value, gradients = jax.eval_shape(value_and_gradient(name), {**half, **scalars})
    assert value.dtype == jnp.float32
    assert {gradients[k].dtype for k in arrays} == {jnp.dtype(jnp.bfloat16)}
    for one in arrays:
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
            mixed = {**half, one: arrays[one].astype(np.float64)}
            value, _ = jax.eval_shape(value_and_gradient(name), {**mixed, **scalars})
        assert value.dtype == jnp.float64


@every_loss
def test_nan_stays_nan(name):
    arrays, scalars = arguments_of(name, CASES["random"], 0.1)
    first = next(iter(arrays))
    arrays[first] = np.where(np.arange(8)[:, None] == 3, np.nan, arrays[first])
    if name == "hard_nt_xent":
        scalars["threshold"] = np.float32(2)  # no number is a negative
    assert np.isnan(value_and_gradient(name)({**arrays, **scalars})[0])


def test_relations_to_other_losses():
    def value(name, views, **others):
        arrays, scalars = arguments_of(name, views, 0.1)
        return value_and_gradient(name)({**arrays, **scalars, **others})[0]

    z0, z1 = map(np.float64, CASES["random"])
    temperature = np.float64(np.float32(0.1))
    both_ways = [
        formulas.one_way_nce(x, y, EXTRA[:0], temperature) for x, y in ((z0, z1), (z1, z0))
    ]
    # K captions that are alike share the positive's probability.
    alike = np.stack([CASES["random"][1]] * 3, axis=1)
    of_captions = value("one_to_k", CASES["random"], captions=alike)
    np.testing.assert_allclose(of_captions, np.mean(both_ways) + np.log(3) / 2, rtol=1e-5)
    # Every negative is above a threshold of -2, and none above 2.
    nt_xent, _ = two_view_loss(z0, z1, temperature, decoupled=False)
    every, none = (value("hard_nt_xent", CASES["random"], threshold=np.float32(x)) for x in (-2, 2))
    np.testing.assert_allclose(every, nt_xent, rtol=1e-5)
    assert none == 0
    alike = value("cmim_contrast", CASES["identical rows"])
    np.testing.assert_allclose(alike, np.log(2), rtol=1e-5)
    # Every logit is the bias.
    alone = np.log1p(np.exp(-BIAS)) + 7 * np.log1p(np.exp(BIAS))
    np.testing.assert_allclose(value("siglip", CASES["only zeros"]), alone, rtol=1e-5)


@every_loss
def test_nothing_is_larger_than_a_block(name):
    """Neither all similarities of the batch nor those of one device's rows exist at any time."""
    mesh, batch, block = meshes()["4x2"], 1024, 16
    arrays, scalars = arguments_of(name, np.zeros((2, batch, 16), np.float32), 0.1)

    def shape(k, x):
        spec = PartitionSpec() if x.ndim == 0 or k in COPIED else PartitionSpec(mesh.axis_names)
        shape = (64, 16) if k in COPIED else x.shape
        return jax.ShapeDtypeStruct(shape, x.dtype, sharding=NamedSharding(mesh, spec))

    shapes = {k: shape(k, x) for k, x in {**arrays, **scalars}.items()}
    program = value_and_gradient(name, mesh, block).lower(shapes).compile().as_text()
    columns = {"one_to_k": 3 * batch, "hard_nt_xent": 2 * batch}.get(name, batch + 64)
    assert largest_array(program) <= block * columns
    assert block * columns < batch * batch // 8
    sent = {kind for kind, _, size in collectives(program) if size > 64 * 16}
    gathers = name != "query_queue_nce"  # which needs no other example's key
    assert sent <= ({"all-gather", "reduce-scatter"} if gathers else set())
    assert ("all-gather" in sent) == gathers
    assert ("reduce-scatter" in sent) == (gathers and name != "query_key_nce")
