"""Three objectives of a few lines each, against formulas that share nothing with the engine."""

import ast
import importlib
import inspect
from functools import cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jcl.errors import UserError
from jcl.losses import alignment_uniformity, info_nce, rank_n_contrast, soft_info_nce
from tests.losses import engine_example_formulas as formulas
from tests.losses.contrastive_formulas import gradient_tolerance, value_tolerance
from tests.losses.test_two_view_losses import meshes, shard
from tests.losses.two_view_cases import two_view_cases

# Eight examples, one a device, and what each loss takes beside them: targets, weight or labels.
CASES = {name: tuple(z[:8] for z in views) for name, views in two_view_cases().items()}
TARGETS = np.random.default_rng(5).dirichlet(np.full(8, 0.3), size=8).astype(np.float32)
TARGETS[3] = np.eye(8)[6]
# Equal labels, labels at equal distances on either side, some alone.
LABELS = np.array([3, 0, 6, 3, 3, 1, 9, 0], np.float32)
LOSSES = {
    "soft_info_nce": (soft_info_nce, "temperature", TARGETS, (0.005, 0.07, 1.0)),
    "alignment_uniformity": (
        lambda z0, z1, weight, **kwargs: alignment_uniformity(z0, z1, weight=weight, **kwargs),
        "t",
        np.float32(0.7),
        (0.1, 2.0, 100.0),
    ),
    "rank_n_contrast": (rank_n_contrast, "temperature", LABELS, (0.05, 2.0)),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture(autouse=True)
def _strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


@cache
def value_and_gradient(name, mesh=None, block_size=None):
    """Jitted once for each loss, mesh and block size; gradients of all arguments."""

    def loss(z0, z1, side, scalar):
        function, keyword, *_ = LOSSES[name]
        return function(z0, z1, side, **{keyword: scalar}, mesh=mesh, block_size=block_size)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2, 3)))


@cache
def expected(name, case, scalar):
    side = np.float64(LOSSES[name][2])
    return formulas.value_and_gradients(getattr(formulas, name), *CASES[case], side, scalar)


def assert_matches_formula(result, name, case, scalar):
    value, gradients = result
    expected_value, expected_gradients = expected(name, case, scalar)
    assert abs(float(value) - expected_value) <= value_tolerance(expected_value)
    # exp(-t |x - y|^2) is, on the sphere, the exponential of a cosine over 1 / 2t.
    temperature = 1 / (2 * scalar) if name == "alignment_uniformity" else scalar
    for z, g, e in zip(CASES[case], gradients, expected_gradients, strict=False):
        # Times the norm, as if rows had been of unit norm, where the loss normalises them.
        norm = np.linalg.norm(np.float64(z), axis=1, keepdims=True)
        norm = 1 if name == "rank_n_contrast" else norm
        g, e = np.asarray(g, np.float64) * norm, e * norm
        assert np.max(np.abs(g - e)) <= gradient_tolerance(e, temperature, 16)
    for g, e in zip(gradients[2:], expected_gradients[2:], strict=True):
        scale = 1e-5 * max(np.max(np.abs(e)), 1 / scalar, 1) / min(scalar, 1)
        assert np.max(np.abs(g - e)) <= scale


@every_loss
def test_short(name):
    # Whoever adds an objective reads these first.
    module = importlib.import_module(f"jcl.losses.{name}")
    functions = [n for n in ast.parse(inspect.getsource(module)).body if hasattr(n, "args")]
    assert functions[0].name == name
    assert len(functions) == 2
    code = [line for f in functions for line in ast.unparse(_without_docstring(f)).splitlines()]
    assert len(code) < 20


def _without_docstring(function):
    function.body = function.body[ast.get_docstring(function) is not None :]
    return function


@pytest.mark.parametrize(
    ("name", "case"),
    # Distances of rows of norm 1e30 cannot be squared in float32.
    sorted({*product(LOSSES, CASES)} - {("rank_n_contrast", "huge and tiny norms")}),
)
def test_float32(name, case):
    for scalar in LOSSES[name][3]:
        result = value_and_gradient(name)(*CASES[case], LOSSES[name][2], jnp.float32(scalar))
        assert_matches_formula(result, name, case, np.float32(scalar).item())


@every_loss
def test_float64(name):
    with jax.enable_x64(True):
        for case in ("random", "near duplicate views", "one row repeated", "zero rows"):
            for scalar in LOSSES[name][3]:
                arguments = [np.float64(x) for x in (*CASES[case], LOSSES[name][2], scalar)]
                value, gradients = value_and_gradient(name)(*arguments)
                assert value.dtype == jnp.float64
                e, expected_gradients = expected(name, case, scalar)
                np.testing.assert_allclose(value, e, rtol=1e-11, atol=1e-11)
                for g, e in zip(gradients, expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-11 / min(scalar, 1) ** 2)


@every_loss
def test_bfloat16_is_computed_in_float32(name):
    _, _, side, (*_, scalar) = LOSSES[name]
    rounded = [jnp.asarray(x, jnp.bfloat16) for x in CASES["random"]]
    # Labels and targets are rounded too; the scalar is not.
    side = jnp.asarray(side, jnp.bfloat16 if side.ndim else jnp.float32)
    value, gradients = value_and_gradient(name)(*rounded, side, jnp.float32(scalar))
    in_float32 = [x.astype(jnp.float32) for x in (*rounded, side)]
    e, expected_gradients = value_and_gradient(name)(*in_float32, jnp.float32(scalar))
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, e, rtol=1e-6)
    np.testing.assert_allclose(value, expected(name, "random", scalar)[0], rtol=0.02)
    for g, e in zip(gradients[:2], expected_gradients[:2], strict=True):
        assert g.dtype == jnp.bfloat16
        # Rounded only where it leaves the loss: as rows, and as columns.
        np.testing.assert_allclose(np.float32(g), e, rtol=0, atol=2**-8 * np.max(np.abs(e)))


@every_loss
def test_block_size_changes_nothing(name):
    for case in ("random", "zero rows"):
        scalar = LOSSES[name][3][1]
        arguments = *CASES[case], LOSSES[name][2], jnp.float32(scalar)
        # Two blocks of 3 and a last one of 2, or five and a last one of 1.
        result = value_and_gradient(name, block_size=3)(*arguments)
        assert_matches_formula(result, name, case, np.float32(scalar).item())


@every_loss
@pytest.mark.parametrize("layout", ["8", "interleaved"])
def test_meshes_match_the_formula(name, layout):
    mesh = meshes()[layout]
    for case in ("random", "all rows near each other", "one row repeated", "zero rows"):
        for scalar in LOSSES[name][3][:2]:
            side = LOSSES[name][2]
            z0, z1 = shard(mesh, *CASES[case])
            side = shard(mesh, side)[0] if side.ndim else side
            result = value_and_gradient(name, mesh)(z0, z1, side, jnp.float32(scalar))
            assert_matches_formula(result, name, case, np.float32(scalar).item())


@every_loss
def test_batch_of_two_and_scalars_as_numbers(name):
    function, keyword, side, (_, scalar, *_) = LOSSES[name]
    z0, z1 = (jnp.asarray(z[:2]) for z in CASES["random"])
    side = jnp.asarray(side[:2, :2] if side.ndim == 2 else side[:2] if side.ndim else side)
    value = function(z0, z1, side, **{keyword: scalar})
    e = getattr(formulas, name)(np.float64(z0), np.float64(z1), np.float64(side), scalar)
    assert value.dtype == jnp.float32
    assert abs(float(value) - e) <= value_tolerance(e)


@every_loss
def test_nan_stays_nan(name):
    z0, z1 = (z.copy() for z in CASES["random"])
    z0[3, 2] = np.nan
    scalar = jnp.float32(LOSSES[name][3][1])
    assert np.isnan(value_and_gradient(name)(z0, z1, LOSSES[name][2], scalar)[0])


@pytest.mark.parametrize(
    ("name", "layout"),
    [("alignment_uniformity", "1"), ("alignment_uniformity", "8"), ("rank_n_contrast", "8")],
)
def test_memory_grows_linearly(name, layout):
    # A small block, so that few rows fill several on each of eight devices.
    mesh = meshes()[layout]
    sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    anchors, memory = (256, 1024), []
    for rows in anchors:
        batch = rows // 2 if name == "rank_n_contrast" else rows
        z = jax.ShapeDtypeStruct((batch, 64), jnp.float32, sharding=sharding)
        number = jax.ShapeDtypeStruct((), jnp.float32)
        labels = jax.ShapeDtypeStruct((batch,), jnp.float32, sharding=sharding)
        side = labels if name == "rank_n_contrast" else number
        compiled = value_and_gradient(name, mesh, block_size=16).lower(z, z, side, number).compile()
        memory.append(compiled.memory_analysis().temp_size_in_bytes)
    assert memory[1] / memory[0] <= 1.1 * anchors[1] / anchors[0], memory
    # A block is 16 x 1024 floats, 64 KiB. The differences of its vectors alone would be 4 MiB, as
    # would the whole matrix.
    assert memory[1] < 4 * 2**20, memory


def test_one_hot_targets_both_ways_are_info_nce():
    def both_ways(q, k, temperature):
        eye = jnp.eye(8, dtype=q.dtype)
        one_way = soft_info_nce(q, k, eye, temperature=temperature)
        return (one_way + soft_info_nce(k, q, eye, temperature=temperature)) / 2

    def clip(q, k, temperature):
        return info_nce(q, k, temperature=temperature)

    arguments = *CASES["random"], jnp.float32(0.07)
    ours, theirs = (
        jax.jit(jax.value_and_grad(f, (0, 1, 2)))(*arguments) for f in (both_ways, clip)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), ours, theirs)


def test_fewer_queries_than_keys():
    mesh = meshes()["8"]
    queries, keys = CASES["random"][0], np.concatenate(CASES["random"])
    targets = np.random.default_rng(6).dirichlet(np.ones(16), size=8).astype(np.float32)
    e, (by_queries, by_keys, *_) = formulas.value_and_gradients(
        formulas.soft_info_nce, queries, keys, targets, 0.07
    )
    arguments = *shard(mesh, queries, keys, targets), jnp.float32(0.07)
    value, gradients = value_and_gradient("soft_info_nce", mesh)(*arguments)
    assert abs(float(value) - e) <= value_tolerance(e)
    np.testing.assert_allclose(gradients[0], by_queries, atol=1e-5)
    np.testing.assert_allclose(gradients[1], by_keys, atol=1e-5)


def test_values_known_by_hand():
    def value(name, *views, side=None, scalar):
        side = LOSSES[name][2] if side is None else side
        return float(value_and_gradient(name)(*views, side, jnp.float32(scalar))[0])

    corners, same = np.eye(8, dtype=np.float32), np.tile(CASES["random"][0][:1], (8, 1))
    # All keys look alike.
    np.testing.assert_allclose(
        value("soft_info_nce", same, same, scalar=0.07), np.log(8), rtol=1e-6
    )
    # All distances are the square root of 2, or all are 0.
    uniformity = value("alignment_uniformity", corners, corners, scalar=3.0)
    np.testing.assert_allclose(uniformity, 0.7 * -6, rtol=1e-6)
    np.testing.assert_allclose(value("alignment_uniformity", same, same, scalar=3.0), 0, atol=1e-5)
    # All similarities are equal: the logarithm of how many are as far or farther, of 15 others.
    equal = value("rank_n_contrast", same, same, side=np.full(8, 4, np.float32), scalar=2.0)
    np.testing.assert_allclose(equal, np.log(15), rtol=1e-6)
    # Seen from label 0, the other view and two a label: 15, 14, 14, 12, 12, ...
    doubling = 2.0 ** np.arange(8, dtype=np.float32)
    apart = value("rank_n_contrast", same, same, side=doubling, scalar=2.0)
    counts = np.array([15, *np.repeat(np.arange(14, 0, -2), 2)])
    np.testing.assert_allclose(apart, np.mean(np.log(counts)), rtol=1e-6)


def test_integer_labels_count_as_numbers():
    # Differences of unsigned integers would wrap around.
    arguments = [jnp.asarray(z) for z in CASES["random"]]
    in_bytes = rank_n_contrast(*arguments, jnp.asarray(LABELS, jnp.uint8), temperature=2.0)
    e = formulas.rank_n_contrast(*map(np.float64, CASES["random"]), LABELS, 2.0)
    np.testing.assert_allclose(in_bytes, e, rtol=1e-5)


@every_loss
def test_errors_in_one_sentence(name):
    function, keyword, side, (_, scalar, *_) = LOSSES[name]
    z0, z1 = (jnp.asarray(z[:4]) for z in CASES["random"])
    side = jnp.asarray(side[:4, :4] if side.ndim == 2 else side[:4] if side.ndim else side)
    scalar = {keyword: scalar}
    with pytest.raises(UserError, match=r"^A batch of 4 does not divide by the 8 devices"):
        function(z0, z1, side, **scalar, mesh=meshes()["8"])
    with pytest.raises(UserError, match=r"^block_size is 0, but must be at least 1\.$"):
        function(z0, z1, side, **scalar, block_size=0)
    if name == "alignment_uniformity":
        with pytest.raises(UserError, match=r"^alignment_uniformity needs at least 2 examples"):
            function(z0[:1], z1[:1], side, **scalar)
