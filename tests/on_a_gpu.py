"""Lets tests of losses run on one GPU: `JAX_PLATFORMS=cuda,cpu python -m pytest -p tests.on_a_gpu`.

Arrays that are put nowhere lie on the GPU. `jax.devices()` answers with the eight virtual CPUs of
tests/conftest.py, of which tests make their meshes when they are collected. Tests of meshes, and
those that say nothing of a device, are left out.
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # other processes use it too
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "8")  # as tests/conftest.py does, which comes later

import jax  # not before the variables

LEFT_OUT = (
    *("mesh", "sharded", "other_devices", "two_processes"),
    *("errors", "finite_differences", "known_by_hand", "memory"),
)

_devices = jax.devices


def _cpus_unless_named(backend=None):
    return _devices("cpu" if backend is None else backend)


def pytest_configure():
    """Once tests are about to be collected, JAX has the settings of tests/conftest.py."""
    jax.devices = _cpus_unless_named


def pytest_collection_modifyitems(config, items):
    """Leaves tests out by their names."""
    left_out = [x for x in items if any(part in x.name for part in LEFT_OUT)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [x for x in items if x not in left_out]


def pytest_report_header():
    """Where the tests compute."""
    return f"arrays lie on {jax.numpy.zeros(1).devices()}, meshes on {jax.devices()[0].platform}"
