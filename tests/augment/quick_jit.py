"""Compilation for tests that compile more than they run."""

import jax


def quick_jit(function):
    """`jax.jit` without the optimisations of the compiler's back end."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})
