#!/usr/bin/env bash
# Runs Python of another version than the tests' own, in an environment with what `make setup`
# installs there:
#
#   tests/python.sh 3.13 -m pytest tests/losses
#
# It is one that is found here, or else that of a Debian in a folder (needs root), where the checkout
# is mounted for as long as the program runs. Ends with status 69 where there is neither.
set -euo pipefail
cd "$(dirname "$0")/.."
version="$1"
shift

for python in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3; do
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    environment=".venv/python-$version"
    # Versions that the tests' own environment is held to may be for its Python.
    env -u PIP_CONSTRAINT launch/environment.sh "$environment" train,tensorboard,dev "$python" >&2
    exec "$environment/bin/python" "$@"
  fi
done

case "$version" in
  3.13) suite=trixie ;;
  3.14) suite=forky ;;
  *) suite="" ;;
esac
if [[ -z "$suite" || "$(id -u)" != 0 ]]; then
  echo "no Python $version here, and none that this user can install" >&2
  exit 69
fi
debian="$PWD/.venv/debian-$suite"
if [[ ! -e "$debian/ready" ]]; then
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap; }
  mirror="$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/*.sources | head -n 1)"
  rm -rf "$debian"
  # `sid` is the script for every suite since 2007; an older debootstrap has no name for the newest.
  debootstrap --variant=minbase --include=python3-venv,ca-certificates,git,make \
    "$suite" "$debian" "$mirror" /usr/share/debootstrap/scripts/sid >&2
  mkdir "$debian/checkout"
  touch "$debian/ready"
fi
cp /etc/resolv.conf /etc/hosts "$debian/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$debian/etc/ssl/certs/"

# What is mounted is so for these processes alone, and gone with them.
# shellcheck disable=SC2016 # the inner shell expands these
exec unshare --mount bash -euc '
  mount --bind /proc "$0/proc"
  mount --rbind /dev "$0/dev" # with its terminals
  mount --bind . "$0/checkout"
  exec chroot "$0" bash -euc "
    cd /checkout
    unset PIP_FIND_LINKS PIP_CONSTRAINT
    launch/environment.sh /environment train,tensorboard,dev >&2
    export PYTHONDONTWRITEBYTECODE=1
    exec /environment/bin/python \"\$@\"
  " "$0" "$@"
' "$debian" "$@"
