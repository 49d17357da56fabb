#!/usr/bin/env bash
# The tests with another JAX than CI's, on the Python of Debian 13 and without TensorFlow, as GPU
# machines have them. Newer versions of JAX want a newer Python than this machine's; this one is in a
# folder of its own, where the checkout is mounted for as long as the tests run. Needs root.
#
#   tests/next_jax.sh [PYTEST ARGUMENT ...]      JAX=0.11.2 is the version
set -euo pipefail
cd "$(dirname "$0")/.."
version="${JAX:-0.11.2}"
debian="$PWD/.venv/debian-13"

if [ ! -e "$debian/ready" ]; then
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap; }
  mirror="$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/*.sources | head -n 1)"
  rm -rf "$debian"
  debootstrap --variant=minbase --include=python3-venv,ca-certificates,git trixie "$debian" "$mirror"
  mkdir "$debian/checkout"
  touch "$debian/ready"
fi
cp /etc/resolv.conf /etc/hosts "$debian/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$debian/etc/ssl/certs/"

# What is mounted is so for these processes alone, and gone with them.
# shellcheck disable=SC2016 # the inner shell expands these
unshare --mount bash -euc '
  mount --bind /proc "$0/proc"
  mount --bind /dev "$0/dev"
  mount --bind . "$0/checkout"
  exec chroot "$0" bash -euc "
    cd /checkout
    unset PIP_FIND_LINKS PIP_CONSTRAINT
    [ -x /venv-\$0/bin/python ] || python3 -m venv /venv-\$0
    /venv-\$0/bin/pip install --quiet jax==\$0 jaxlib==\$0 --editable .[train,dev]
    XLA_FLAGS=--xla_backend_optimization_level=0 PYTHONDONTWRITEBYTECODE=1 \
      exec /venv-\$0/bin/python -m pytest -p no:cacheprovider -m \"not slow and not reference\" \"\$@\"
  " "$@"
' "$debian" "$version" "$@"
