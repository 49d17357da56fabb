#!/usr/bin/env bash
# Trains on a Cloud TPU slice of one or many hosts; JAX finds the other hosts by itself.
#
#   launch/tpu_pod.sh create       # the slice
#   launch/tpu_pod.sh install      # the last commit of this checkout, on every host
#   launch/tpu_pod.sh run --config=configs/simclr_imagenet.py --workdir=/runs/simclr
#   launch/tpu_pod.sh tail         # the log of the first host
#   launch/tpu_pod.sh delete
#
# `--dry_run` prints the commands and runs none. The other arguments of `run` are those of
# `python -m jcl.train`. Edit these, or set them in the environment:
NAME="${NAME:-jcl}"
ZONE="${ZONE:-us-central1-a}"
ACCELERATOR="${ACCELERATOR:-v5litepod-64}"
RUNTIME="${RUNTIME:-v2-alpha-tpuv5-lite}"
# An NFS export (Filestore, say), mounted as /runs: workdirs must be on one that all hosts see.
SHARE="${SHARE:-10.0.0.2:/runs}"
# A spot slice that is taken away is gone: delete, create, install and run again, with the same
# workdir, and training goes on from the newest checkpoint. `ssh-add ~/.ssh/google_compute_engine`
# once, or gcloud asks for the key on every host.
set -euo pipefail

fail() {
  echo "error: $1" >&2
  exit 2
}

dry_run=false
arguments=()
for argument in "$@"; do
  if [[ "$argument" == --dry_run ]]; then dry_run=true; else arguments+=("$argument"); fi
done
set -- ${arguments[@]+"${arguments[@]}"}
usage="create, install, run, tail or delete"
action="${1:-}"
[[ -n "$action" ]] || fail "say what to do: $usage"
shift
[[ "$action" == run || $# == 0 ]] || fail "$action takes no arguments, was given $1"

# Runs a command, or prints it so that a shell reads back the same words.
step() {
  if $dry_run; then
    local word line=""
    for word in "$@"; do
      if [[ "$word" =~ ^[A-Za-z0-9_./:=@,-]+$ ]]; then line+="$word "; else line+="${word@Q} "; fi
    done
    echo "${line% }"
  else
    "$@"
  fi
}

tpu() {
  local verb="$1"
  shift
  step gcloud compute tpus tpu-vm "$verb" "$@" "--zone=$ZONE"
}

on_hosts() {
  tpu ssh "$NAME" "--worker=$1" "--command=$2"
}

case "$action" in
  create)
    tpu create "$NAME" "--accelerator-type=$ACCELERATOR" "--version=$RUNTIME" --spot
    ;;
  install)
    # A bundle, not a copy of the folder: run.json then names the commit, and nothing else runs.
    bundle="$(git rev-parse --git-dir)/jcl.bundle"
    step git bundle create "$bundle" HEAD
    tpu scp "$bundle" "$NAME:jcl.bundle" --worker=all
    # uv brings a Python that is new enough; that of the image is 3.10.
    on_hosts all "set -e; sudo apt-get -qq -o DPkg::Lock::Timeout=300 install -y nfs-common; \
sudo mkdir -p /runs; mountpoint -q /runs || sudo mount -t nfs $(printf %q "$SHARE") /runs; \
rm -rf jcl; git clone --quiet jcl.bundle jcl; cd jcl; python3 -m pip install --quiet --user uv; \
python3 -m uv venv --python=3.11; \
python3 -m uv pip install --quiet --constraint=constraints.txt --editable='.[train,tpu]'"
    ;;
  run)
    (($# > 0)) || fail "run needs --config=... --workdir=..., as python -m jcl.train does"
    # In the background, so that it outlives the connection; a run that goes on keeps its log.
    train=".venv/bin/python -m jcl.train$(printf ' %q' "$@")"
    on_hosts all "cd jcl && (trap '' HUP; $train; echo jcl.train ended with status \$?) \
>> ~/train.log 2>&1 < /dev/null &"
    ;;
  tail)
    on_hosts 0 "tail -n 50 -F train.log"
    ;;
  delete)
    tpu delete "$NAME" --quiet
    ;;
  *)
    fail "$action is unknown: $usage"
    ;;
esac
