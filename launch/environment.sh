#!/usr/bin/env bash
# Makes a Python environment with jcl in it, or brings one up to date; `make` calls this.
#
#   launch/environment.sh [FOLDER [EXTRAS [PYTHON]]]     .venv train,tensorboard,dev python3
#
# Extras are those of pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${1:-.venv}"
extras="${2:-train,tensorboard,dev}"
asked_for="${3:-}"

fail() {
  echo "error: $1" >&2
  exit 2
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Debian's Python without ensurepip leaves an environment half made, without pip.
if "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
  found="$(version_of "$folder/bin/python")"
  [[ -z "$asked_for" || "$(version_of "$asked_for")" == "$found" ]] ||
    fail "$folder is an environment of Python $found and not of $asked_for: delete $folder first"
else
  python="${asked_for:-python3}"
  another="make PYTHON=python3.13, say, takes another Python"
  "$python" -c "" ||
    fail "$python does not run: apt-get install python3-venv on Debian and Ubuntu; $another"
  version="$(version_of "$python")"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is Python $version, but jcl needs Python 3.11 or newer; $another"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make environments: apt-get install python$version-venv; $another"
  "$python" -m venv "$folder"
fi

# `ready` names the extras that are there, so that asking for another one installs it.
wanted="$(cat "$folder/ready" 2>/dev/null || true)"
for extra in ${extras//,/ }; do
  [[ ",$wanted," == *",$extra,"* ]] || wanted="${wanted:+$wanted,}$extra"
done
if [[ pyproject.toml -nt "$folder/ready" || constraints.txt -nt "$folder/ready" ||
  "$(cat "$folder/ready")" != "$wanted" ]]; then
  echo "Installing jcl with pip into $folder; the first time it takes minutes and 3 GB."
  "$folder/bin/python" -m pip install --disable-pip-version-check \
    --constraint constraints.txt --editable ".[$wanted]"
  echo "$wanted" >"$folder/ready"
fi
