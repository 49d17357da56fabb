"""A loss against its formula on one device and on meshes, and the memory of what was compiled.

A formula is float64 NumPy over whole matrices, analytic in its floating-point arguments, so a step
of 1e-30 along the imaginary axis gives a derivative without cancellation. Where the formula stops a
gradient, it takes the real part.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.losses.contrastive_formulas import gradient_tolerance, value_tolerance
from tests.losses.hlo import largest_array
from tests.losses.test_two_view_losses import meshes, shard

LAYOUTS = ("one device, float32", "1", "8", "4x2")
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


@dataclass(frozen=True, eq=False)
class Case:
    arguments: tuple[Any, ...]  # those with an axis have the batch first
    temperature: float  # what logits are divided by, for tolerances


def unit(x):
    """Rows of unit norm; a zero row stays zero, with zero derivative."""
    is_zero = (x.real == 0).all(-1, keepdims=True)
    return np.where(is_zero, 0, x / np.sqrt(np.where(is_zero, 1, (x * x).sum(-1, keepdims=True))))


def log_sum_exp(x, included=True):
    """Over the last axis, of what is included."""
    shift = np.where(included, x.real, -np.inf).max(-1, keepdims=True)
    terms = np.where(included, np.exp(np.where(included, x - shift, 0)), 0)
    return shift[..., 0] + np.log(terms.sum(-1))


@cache
def value_and_gradients(formula, case):
    """Value, and the gradients with respect to the floating-point arguments of a case."""
    arguments = [np.float64(x) if _is_float(x) else np.asarray(x) for x in case.arguments]
    gradients = []
    for place, x in enumerate(arguments):
        if not _is_float(x):
            continue
        gradient = np.zeros_like(x)
        for position in np.ndindex(x.shape):
            moved = list(arguments)
            moved[place] = np.array(x, np.complex128)
            moved[place][position] += 1e-30j
            gradient[position] = formula(*moved).imag / 1e-30
        gradients.append(gradient)
    return float(formula(*arguments).real), gradients


def assert_exact(loss, formula, cases, layout, *, block_size, largest):
    """Compares values and gradients, and looks for arrays larger than a block.

    Args:
        loss: `(*arguments, mesh, block_size) -> scalar`.
        formula: `(*arguments) -> scalar`.
        cases: all of the same shapes.
        layout: one of `LAYOUTS`.
        block_size: passed to the loss.
        largest: elements of the largest array that the compiled programs may hold.
    """
    in_float32 = layout.endswith("float32")
    mesh = meshes().get(layout)
    with jax.enable_x64(not in_float32), jax.numpy_dtype_promotion("strict"):
        compiled = None
        for case in cases:
            arguments = [_cast(x, in_float32) for x in case.arguments]
            if mesh is not None:
                arguments = [shard(mesh, x)[0] if np.ndim(x) else x for x in arguments]
            compiled = compiled or _compile(loss, arguments, mesh, block_size)
            value, gradients = compiled(*arguments)
            expected, expected_gradients = value_and_gradients(formula, case)
            assert value.dtype == (jnp.float32 if in_float32 else jnp.float64)
            if not in_float32:
                np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
                for g, e in zip(gradients, expected_gradients, strict=True):
                    np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-10)
                continue
            assert abs(float(value) - expected) <= value_tolerance(expected)
            floats = [x for x in case.arguments if _is_float(x)]
            for x, g, e in zip(floats, gradients, expected_gradients, strict=True):
                _assert_close_in_float32(x, np.float64(g), e, case.temperature)
    assert largest_array(compiled.as_text()) <= largest


def evaluate(loss, x):
    """Value and gradient in float32, compiled as one program, which is quicker than op by op."""
    return jax.jit(jax.value_and_grad(loss))(jnp.asarray(x, jnp.float32))


def _assert_close_in_float32(x, gradient, expected, temperature):
    if np.ndim(x) < 2:
        scale = 2e-5 * max(1, np.max(np.abs(expected)), 1 / temperature) / temperature
        assert np.max(np.abs(gradient - expected)) <= scale
        return
    # Times the norm, as if the rows had been of unit norm.
    norm = np.linalg.norm(np.where(np.isfinite(x), x, 0), axis=-1, keepdims=True)
    error = np.max(np.abs(gradient - expected) * norm)
    assert error <= gradient_tolerance(expected * norm, temperature, x[..., 0].size)


def _compile(loss, arguments, mesh, block_size):
    differentiable = tuple(i for i, x in enumerate(arguments) if _is_float(x))

    def on_mesh(*arguments):
        return loss(*arguments, mesh=mesh, block_size=block_size)

    gradient = jax.jit(jax.value_and_grad(on_mesh, differentiable))
    return gradient.lower(*arguments).compile()


def _cast(x, to_float32):
    return jnp.asarray(x, np.float32 if to_float32 and _is_float(x) else None)


def _is_float(x):
    return np.issubdtype(np.asarray(x).dtype, np.floating)
