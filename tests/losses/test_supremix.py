"""SupReMix against explicit mixtures in float64, on one device and on meshes."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jcl.errors import UserError
from jcl.losses.beta_mixing import (
    beta_quantiles,
    column_words,
    pair_coefficients,
    pair_salt,
    row_words,
)
from jcl.losses.supremix import _bins_inside, supremix
from tests.losses.contrastive_formulas import gradient_tolerance, value_tolerance

BATCH, DIMENSIONS = 8, 4
BIN_WIDTH, WINDOW = 2.0, 6.0  # two bins on either side; the third is at the edge, outside
BOTH, NEITHER, NEGATIVES, POSITIVES = (True, True), (False, False), (True, False), (False, True)
KEY = jax.random.key(3)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


def cases():
    """Name -> (z0, z1, targets), float32."""
    z0, z1 = np.random.default_rng(11).normal(size=(2, BATCH, DIMENSIONS))
    one = np.tile(z0[:1], (BATCH, 1))
    zeros = z0.copy()
    zeros[[2, 5]] = 0
    # In bins: 0 1 2 2 3 4 2 5.
    between = np.array([0.3, 1.2, 3.9, 4.2, 5.8, 8.1, 4.4, 9.7])
    named = {
        "between bins": (z0, z1, between),
        "negative targets": (z0, z1, between - 52),
        "equal targets": (z0, z1, np.full(BATCH, 31.0)),
        "different targets": (z0, z1, np.array([8.0, 2, 14, 0, 6, 12, 4, 10])),
        "outside the window": (z0, z1, np.array([0.0, 6, 12, 0, 6, 12, 18, 24])),
        "zero rows": (zeros, z1, between),
        "identical rows": (one, one, between),
        "identical views": (z0, z0, between),
        # Mixed negatives far above every real pair.
        "orthogonal": (np.concatenate([np.eye(4), -np.eye(4)]), 0 * z1, between),
    }
    return {name: tuple(x.astype(np.float32) for x in case) for name, case in named.items()}


CASES = cases()


@cache
def coefficients(dtype=np.float32):
    """What the loss draws: the function that has tests of its own, for the whole matrix."""
    quantiles = jnp.asarray(beta_quantiles(2.0, 8.0), dtype)
    position = jnp.arange(2 * BATCH)
    salt = pair_salt(KEY)
    rows, columns = row_words(salt, position), column_words(salt, position)
    matrix = pair_coefficients(rows[:, None], columns, quantiles)
    return np.asarray(matrix, np.float64)


def formula(views, detached, targets, share, temperature, switches):
    """The definition, mixture by mixture. Mixtures are made of `detached`, which never moves.

    Views stand one after the other, while positions in `share` count example by example.
    """
    mix_neg, mix_pos = switches
    batch = len(targets)

    def unit(views):
        x = np.concatenate(views)
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(norm == 0, 1, norm)

    z, fixed = unit(views), unit(detached)
    y = np.tile(BIN_WIDTH * np.round(np.float64(targets) / BIN_WIDTH), 2)
    position = np.concatenate([2 * np.arange(batch), 2 * np.arange(batch) + 1])
    losses = []
    for i in range(2 * batch):
        others = np.delete(np.arange(2 * batch), i)
        vectors, labels, positive = [z[others]], [y[others]], [y[others] == y[i]]
        if mix_neg:
            k = np.flatnonzero(y != y[i])
            lam = share[position[i], position[k]]
            vectors.append(lam[:, None] * fixed[i] + (1 - lam[:, None]) * fixed[k])
            labels.append(lam * y[i] + (1 - lam) * y[k])
            positive.append(np.zeros(len(k), bool))
        if mix_pos:
            below = np.flatnonzero((y < y[i]) & (y[i] - y < WINDOW))
            above = np.flatnonzero((y > y[i]) & (y - y[i] < WINDOW))
            j, k = (pair.ravel() for pair in np.meshgrid(below, above))
            a = (y[k] - y[i]) / (y[k] - y[j])
            vectors.append(a[:, None] * fixed[j] + (1 - a[:, None]) * fixed[k])
            labels.append(np.full(len(a), y[i]))
            positive.append(np.ones(len(a), bool))
        logit = np.concatenate(vectors) @ z[i] / temperature
        weight = 1 + np.abs(y[i] - np.concatenate(labels))
        shift = logit.max()
        log_sum = shift + np.log(np.sum(weight * np.exp(logit - shift)))
        losses.append(log_sum - np.mean(logit[np.concatenate(positive)]))
    return np.mean(losses)


@cache
def expected(case, temperature, switches, dtype=np.float32):
    """Value, and gradients by central differences of everything but what mixtures are made of."""
    z0, z1, targets = CASES[case]
    views = np.stack([z0, z1]).astype(np.float64)

    def value(views_, temperature_):
        return formula(views_, views, targets, coefficients(dtype), temperature_, switches)

    def slope(d_views, d_temperature):
        above = value(views + d_views, temperature + d_temperature)
        below = value(views - d_views, temperature - d_temperature)
        return (above - below) / (2e-6)

    gradient = np.zeros_like(views)
    for position in np.ndindex(views.shape):
        if np.any(views[position[:2]]):  # a zero row has no derivative; the contract says 0
            step = np.zeros_like(views)
            step[position] = 1e-6
            gradient[position] = slope(step, 0)
    return value(views, temperature), gradient, slope(0, 1e-6)


@cache
def value_and_gradient(switches=BOTH, mesh=None, block_size=None):
    """Jitted once for each combination; the temperature, targets and key are traced."""

    def loss(z0, z1, temperature, targets, key):
        return supremix(
            z0,
            z1,
            targets,
            key,
            temperature=temperature,
            window=WINDOW,
            bin_width=BIN_WIDTH,
            mix_neg=switches[0],
            mix_pos=switches[1],
            mesh=mesh,
            block_size=block_size,
        )

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


def run(case, temperature, switches=BOTH, **kwargs):
    z0, z1, targets = CASES[case]
    compiled = value_and_gradient(switches, **kwargs)
    return compiled(z0, z1, jnp.float32(temperature), targets, KEY)


def assert_matches(result, case, temperature, switches):
    value, gradients = result
    expected_value, expected_gradient, by_temperature = expected(case, temperature, switches)
    assert abs(float(value) - expected_value) <= value_tolerance(expected_value)
    # Times the norm: as if the rows had been of unit norm.
    norm = np.linalg.norm(np.float64(CASES[case][:2]), axis=2, keepdims=True)
    g, e = np.float64(gradients[:2]) * norm, expected_gradient * norm
    assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 2 * BATCH)
    scale = 2e-5 * max(1, abs(by_temperature), 1 / temperature) / temperature
    assert abs(float(gradients[2]) - by_temperature) <= scale


@pytest.mark.parametrize("switches", [BOTH, NEITHER, NEGATIVES, POSITIVES])
def test_explicit_mixtures(switches):
    for case in CASES if switches == BOTH else ("between bins", "zero rows"):
        for temperature in (0.05, 0.5):
            result = run(case, temperature, switches)
            assert_matches(result, case, temperature, switches)


def test_the_formula_counts():
    # Orthogonal views of targets 0, 2, 4, all in the window: only the one in the middle has
    # mixed positives, 4 pairs of norm 1 / sqrt(2), with which its similarity is 0.
    z = np.stack([np.eye(3)] * 2)
    targets, share = np.array([0.0, 2.0, 4.0]), np.zeros((6, 6))
    value = formula(z, z, targets, share, 1.0, POSITIVES)
    outer = np.log(np.e + 2 * 3 + 2 * 5) - 1
    middle = np.log(np.e + 4 * 3 + 4) - 1 / (1 + 4)
    np.testing.assert_allclose(value, (2 * outer + middle) / 3)


@pytest.mark.parametrize("case", CASES)
def test_low_temperature(case):
    # Logits up to 200 in size: a factor of a mixture underflows only where nothing is lost.
    z0, z1, targets = CASES[case]
    value, gradients = run(case, 0.005)
    views = np.stack([z0, z1]).astype(np.float64)
    expected_value = formula(views, views, targets, coefficients(), 0.005, BOTH)
    assert abs(float(value) - expected_value) <= value_tolerance(expected_value)
    assert all(np.all(np.isfinite(g)) for g in gradients)


def test_float64():
    with jax.enable_x64(True):
        for temperature in (0.05, 0.5):
            z0, z1, targets = (x.astype(np.float64) for x in CASES["zero rows"])
            arguments = (z0, z1, jnp.float64(temperature), targets, KEY)
            value, gradients = value_and_gradient()(*arguments)
            assert value.dtype == jnp.float64
            e = expected("zero rows", temperature, BOTH, np.float64)
            np.testing.assert_allclose(value, e[0], rtol=1e-11)
            # Differences are less exact than gradients.
            np.testing.assert_allclose(np.stack(gradients[:2]), e[1], atol=2e-7)
            np.testing.assert_allclose(gradients[2], e[2], rtol=1e-6)


def test_block_size_changes_nothing():
    # 16 anchors: three blocks of 5 and a last one of 1.
    assert_matches(run("between bins", 0.05, block_size=5), "between bins", 0.05, BOTH)


@pytest.mark.parametrize("order", [[0], [0, 1], [0, 4, 1, 5, 7, 2, 6, 3]])
def test_meshes(order):
    devices = np.array(jax.devices())[order].reshape(-1, min(2, len(order)))
    mesh = Mesh(devices, ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    for case, temperature in (("between bins", 0.05), ("zero rows", 0.5)):
        z0, z1, targets = jax.device_put(CASES[case], sharding)
        compiled = value_and_gradient(mesh=mesh)
        result = compiled(z0, z1, jnp.float32(temperature), targets, KEY)
        assert_matches(result, case, temperature, BOTH)


def test_order_of_the_batch():
    order = np.random.default_rng(5).permutation(BATCH)
    z0, z1, targets = CASES["between bins"]
    for switches, same in ((POSITIVES, True), (BOTH, False)):
        value, gradients = run("between bins", 0.5, switches)
        reordered = value_and_gradient(switches)(
            z0[order], z1[order], jnp.float32(0.5), targets[order], KEY
        )
        assert (abs(value - reordered[0]) < 2e-6) == same
        if same:
            np.testing.assert_allclose(reordered[1][0], gradients[0][order], atol=1e-6)


def test_key():
    z0, z1, targets = CASES["between bins"]

    def value(switches, seed):
        arguments = (z0, z1, jnp.float32(0.5), targets, jax.random.key(seed))
        return float(value_and_gradient(switches)(*arguments)[0])

    assert value(BOTH, 0) == value(BOTH, 0)
    assert abs(value(BOTH, 0) - value(BOTH, 1)) > 1e-4
    assert value(POSITIVES, 0) == value(POSITIVES, 1)


def test_targets_are_rounded_to_bins():
    z0, z1, targets = CASES["between bins"]
    rounded = BIN_WIDTH * np.round(targets / BIN_WIDTH)
    assert np.any(rounded != targets)
    value, _ = value_and_gradient()(z0, z1, jnp.float32(0.5), rounded, KEY)
    assert value == run("between bins", 0.5)[0]


def test_bins_inside_the_window():
    pairs = [(5, 1), (5.5, 1), (1, 1), (0.5, 1), (0.3, 0.1), (0.7, 0.1), (3 * 0.1, 0.1), (1, 0.25)]
    assert [_bins_inside(*pair) for pair in pairs] == [4, 5, 0, 0, 2, 6, 2, 3]


def test_memory_grows_linearly():
    def temporary_bytes(batch):
        z = jax.ShapeDtypeStruct((batch, 64), jnp.float32)
        scalar, targets = (jax.ShapeDtypeStruct(s, jnp.float32) for s in ((), (batch,)))
        key = jax.eval_shape(lambda: jax.random.key(0))
        compiled = value_and_gradient().lower(z, z, scalar, targets, key).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    memory = [temporary_bytes(batch) for batch in (512, 2048)]
    assert memory[1] <= 4.2 * memory[0], memory
    # 32 matrices of a block's rows and all columns; mixtures one by one would be 4096 of them.
    assert memory[1] < 32 * 4 * 128 * 4096, memory


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window is 0, but must be a positive number."),
        ({"bin_width": -1.0}, "bin_width is -1.0, but must be a positive number."),
        ({"bin_width": float("nan")}, "bin_width is nan, but must be a positive number."),
        ({"beta": (2.0, 0.0)}, "beta is (2.0, 0.0), but must be two positive numbers."),
        ({"beta": (2.0,)}, "beta is (2.0,), but must be two positive numbers."),
        ({"block_size": 0}, "block_size is 0, but must be at least 1."),
    ],
)
def test_errors_in_one_sentence(options, message):
    z0, z1, targets = (jnp.asarray(x) for x in CASES["between bins"])
    with pytest.raises(UserError) as error:
        supremix(z0, z1, targets, KEY, **{"temperature": 0.1, "window": 5.0, **options})
    assert str(error.value) == message
