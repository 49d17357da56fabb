"""The padding of the fused attention, with XLA in cuDNN's place, and where it is taken."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.models import attention

PLAIN = {"causal": False, "dropout": 0.0}


def arguments(tokens, dtype=jnp.float32, width=16):
    random = np.random.default_rng(tokens)
    return jnp.asarray(random.standard_normal((4, 2, tokens, 3, width)), dtype)


@pytest.mark.parametrize("tokens", [5, pytest.param(8, marks=pytest.mark.slow)])
def test_padding_changes_neither_values_nor_gradients(tokens):
    *inputs, cotangent = arguments(tokens)

    def everything(attend):
        def outputs_and_gradients(*inputs):
            outputs, pull = jax.vjp(attend, *inputs)
            return outputs, pull(cotangent)

        return jax.jit(outputs_and_gradients)(*inputs)

    actual = everything(lambda *inputs: attention._fused(*inputs, implementation="xla"))
    expected = everything(lambda *inputs: attention._with_maps(*inputs, None, None, **PLAIN))
    for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("capability", "dtype", "width", "fused"),
    [
        ("9.0", jnp.bfloat16, 64, True),
        ("9.0", jnp.float32, 64, False),
        ("9.0", jnp.bfloat16, 136, False),
        ("9.0", jnp.bfloat16, 12, False),
        ("7.5", jnp.bfloat16, 64, False),
        ("gfx942", jnp.bfloat16, 64, False),
        (None, jnp.bfloat16, 64, False),
    ],
)
def test_who_takes_it(capability, dtype, width, fused, monkeypatch):
    if capability is not None:
        device = SimpleNamespace(compute_capability=capability)
        monkeypatch.setattr(jax, "local_devices", lambda: [device])
    assert attention._has_fused(arguments(5, dtype, width)[0]) == fused


def test_programs_for_gpus_hold_it_and_others_do_not(monkeypatch):
    device = SimpleNamespace(compute_capability="9.0")
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    # In cuDNN's place, which cannot be traced without a GPU, something to be found by.
    monkeypatch.setattr(attention, "_fused", lambda query, key, value: jnp.cbrt(query))
    *inputs, _ = arguments(5, jnp.bfloat16)
    traced = jax.jit(lambda *inputs: attention._attend(*inputs, None, None, **PLAIN)).trace(*inputs)
    for platform, is_fused in (("cuda", True), ("cpu", False)):
        program = traced.lower(lowering_platforms=(platform,)).as_text()
        assert ("stablehlo.cbrt" in program) == is_fused
    masked = jax.jit(functools.partial(attention._attend, keys=None, **PLAIN)).trace(
        *inputs, jnp.ones((2, 5), bool)
    )
    assert "stablehlo.cbrt" not in masked.lower(lowering_platforms=("cuda",)).as_text()
