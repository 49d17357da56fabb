#!/usr/bin/env bash
# The kernels for GPUs, interpreted on a CPU. The interpreter is part of JAX 0.11, which wants a newer
# Python than the other tests: one that is found here, or that of a Debian 13 in a folder (needs
# root).
#
#   tests/kernels.sh [PYTEST ARGUMENT ...]      JAX=0.11.2 is the version
set -euo pipefail
cd "$(dirname "$0")/.."
version="${JAX:-0.11.2}"
environment="$PWD/.venv/kernels-$version"

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }

if [ ! -e "$environment/ready" ]; then
  for python in python3 python3.14 python3.13 python3.12 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
    if is_new_enough "$python"; then
      rm -rf "$environment"
      "$python" -m venv "$environment"
      # Versions that the tests' own environment is held to are for its Python.
      env -u PIP_CONSTRAINT "$environment/bin/python" -m pip install --quiet \
        --disable-pip-version-check "jax==$version" "jaxlib==$version" jaxtyping pytest pytest-xdist
      touch "$environment/ready"
      break
    fi
  done
fi
if [ ! -e "$environment/ready" ]; then
  JAX="$version" exec tests/next_jax.sh -n 2 -m slow "$@" tests/kernels
fi
# Without the settings of all other tests, which need packages that are not there.
JAX_PLATFORMS=cpu exec "$environment/bin/python" -m pytest -p no:cacheprovider -n 2 \
  --confcutdir=tests/kernels "$@" tests/kernels
