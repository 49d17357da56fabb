"""DirectPred against NumPy in float64: the predictor as a function, the loss, what follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.directpred_shapes import get_config
from jcl.errors import UserError
from jcl.experiment import make_method, read_command_line
from jcl.methods.base import Variables
from jcl.methods.clock import Clock
from jcl.methods.directpred import DirectPred, correlation, dimensions, predictor_of
from tests.methods.linear_networks import (
    WIDTH,
    assert_is_gradient,
    cosines,
    drawn_like,
    layer,
    loss_and_gradient,
    started,
    through,
    views,
)

EPSILON, FLOOR = 0.01, 1e-4
_computed = jax.jit(predictor_of, static_argnames=("epsilon", "floor"))


def directpred(**options):
    return DirectPred(encoder=layer(), projector=layer(), **options)


def computed(matrix, epsilon=EPSILON, floor=FLOOR):
    with jax.enable_x64(True):
        return np.asarray(_computed(jnp.asarray(matrix), epsilon=epsilon, floor=floor))


def in_numpy(matrix, epsilon=EPSILON, floor=FLOOR):
    """By the square root of a matrix: no eigenvalue is taken by itself."""
    values, vectors = np.linalg.eigh(matrix)
    root = sum(
        np.sqrt(max(value, 0) / values.max()) * np.outer(v, v)
        for value, v in zip(values, vectors.T, strict=True)
    )
    assert epsilon >= floor
    return root + epsilon * np.eye(len(matrix))


def rotation(size, seed=0):
    return np.linalg.qr(np.random.RandomState(seed).normal(size=(size, size)))[0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 5.0])
def test_of_an_isotropic_correlation_it_is_the_identity(scale):
    np.testing.assert_allclose(computed(scale * np.eye(4)), (1 + EPSILON) * np.eye(4), atol=1e-12)


@pytest.mark.parametrize(("epsilon", "least"), [(EPSILON, EPSILON), (0.0, FLOOR), (1e-6, FLOOR)])
def test_of_rank_one_it_has_one_large_eigenvalue(epsilon, least):
    v = np.array([3.0, 0.0, -4.0, 0.0]) / 5
    found = computed(7 * np.outer(v, v), epsilon)
    np.testing.assert_allclose(found @ v, (1 + epsilon) * v, atol=1e-12)
    others = np.linalg.eigvalsh(found)[:-1]
    np.testing.assert_allclose(others, least, atol=1e-7)  # the root of the rounding


def test_equal_eigenvalues_leave_no_choice():
    """Any basis of their space gives the same predictor, which projections alone say."""
    q = rotation(4)
    projection = q[:, :2] @ q[:, :2].T
    matrix = 4 * projection + 1 * (np.eye(4) - projection)
    expected = 1.01 * projection + 0.51 * (np.eye(4) - projection)
    np.testing.assert_allclose(computed(matrix), expected, atol=1e-12)


def test_it_is_a_function_of_the_correlation_and_turns_with_it():
    rows = np.random.RandomState(0).normal(size=(9, 4)) + 0.5
    with jax.enable_x64(True):
        matrix = np.asarray(correlation(jnp.asarray(rows.reshape(3, 3, 4))))
    np.testing.assert_allclose(matrix, rows.T @ rows / 9, rtol=1e-12)
    np.testing.assert_allclose(computed(matrix), in_numpy(matrix), atol=1e-12)
    np.testing.assert_allclose(computed(100 * matrix), computed(matrix), atol=1e-12)
    q = rotation(4) @ np.diag([1, -1, 1, 1])[:, [2, 0, 3, 1]]  # signs and order too
    np.testing.assert_allclose(computed(q @ matrix @ q.T), q @ computed(matrix) @ q.T, atol=1e-12)


def test_of_nothing_it_is_the_floor_or_epsilon():
    np.testing.assert_allclose(computed(np.zeros((4, 4))), EPSILON * np.eye(4))
    np.testing.assert_allclose(computed(np.zeros((4, 4)), 0.0), FLOOR * np.eye(4))
    assert dimensions(jnp.zeros((4, 4))) == 0


def test_a_huge_epsilon_is_no_predictor():
    matrix = rotation(4) @ np.diag([1, 0.1, 1e-3, 0]) @ rotation(4).T
    found = _computed(jnp.asarray(matrix, jnp.float32), epsilon=1e6, floor=FLOOR)
    np.testing.assert_allclose(found / 1e6, np.eye(4), atol=1e-5)


def formula(params, copies, predictor):
    x = np.asarray(views()["features"])
    p = through(params, x, "encoder", "projector") @ predictor
    z = through(copies, x, "encoder", "projector")
    return np.mean(4 - 2 * cosines(p[:, 0], z[:, 1]) - 2 * cosines(p[:, 1], z[:, 0]))


def test_the_loss_and_its_gradient_against_numpy():
    with jax.enable_x64(True):
        method = directpred()
        variables = started(method)
        begun = variables.method_state
        np.testing.assert_array_equal(begun["predictor"], np.eye(WIDTH))
        np.testing.assert_array_equal(begun["correlation"], np.zeros((WIDTH, WIDTH)))
        assert begun["predictor"].dtype == begun["correlation"].dtype == jnp.float64
        state = drawn_like(begun, 2)
        state["predictor"] += state["predictor"].T
        variables = variables._replace(method_state=state)
        (loss, outcome), gradient = loss_and_gradient(method, variables)
        others = state["momentum"], state["predictor"]
        np.testing.assert_allclose(loss, formula(variables.params, *others), rtol=1e-12)
        assert_is_gradient(gradient, lambda p: formula(p, *others), variables.params)
        x = np.asarray(views()["features"])
        rows = through(variables.params, x, "encoder", "projector").reshape(-1, WIDTH)
        expected = rows.T @ rows / len(rows)
        np.testing.assert_allclose(outcome.carry["correlation"], expected, rtol=1e-12)
        values = np.linalg.eigvalsh(expected)
        ratio = values.sum() ** 2 / (values**2).sum()
        found = outcome.metrics["correlation_dimensions"]
        np.testing.assert_allclose(found, ratio, rtol=1e-12)


@pytest.mark.parametrize("every", [1, 2])
def test_the_average_and_the_predictor_follow(every):
    random = np.random.RandomState(0)
    batches = [rows.T @ rows / 8 for rows in random.normal(size=(4, 8, 4))]
    average, predictor = None, np.eye(4)
    with jax.enable_x64(True):
        method = directpred(correlation_decay=0.3, every_steps=every)
        state = {"correlation": jnp.zeros((4, 4)), "predictor": jnp.eye(4), "momentum": {}}

        @jax.jit
        def after(state, found, step):
            clock = Clock(step, steps_per_epoch=2, total_steps=4)
            carry = {"correlation": found}
            return method.after_update(Variables({}, {}, state), carry, clock).method_state

        for step, found in enumerate(batches):
            state = after(state, found, step)
            average = found if step == 0 else 0.3 * average + 0.7 * found
            if step % every == 0:
                predictor = in_numpy(average)
            np.testing.assert_allclose(state["correlation"], average, rtol=1e-12)
            np.testing.assert_allclose(state["predictor"], predictor, atol=1e-12)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("correlation_decay", 1.0),
        ("correlation_decay", -0.1),
        ("epsilon", -1e-3),
        ("floor", -1e-4),
        ("every_steps", 0),
    ],
)
def test_impossible_options_are_named(option, value):
    with pytest.raises(UserError, match=f"method.{option}={value} is impossible"):
        directpred(**{option: value})


@pytest.mark.parametrize(
    ("flags", "name", "layers"),
    [
        (["--config.method.name=byol", "--config.predictor.layers=1"], "byol", 1),
        (["--config.method.epsilon=1e6"], "directpred", None),
    ],
)
def test_the_runs_to_compare_with_differ_in_the_predictor_alone(flags, name, layers):
    config, _, _ = read_command_line(get_config(), flags)
    assert (config.method.name, config.method.decay) == (name, get_config().method.decay)
    assert make_method(config).networks.keys() >= {"encoder", "projector"}
    assert config.predictor.layers == layers
