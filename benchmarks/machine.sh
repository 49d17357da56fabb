#!/usr/bin/env bash
# What one machine does, in one call that ends in its tables: the binary trained, taken away by
# SIGTERM, resumed and probed; losses; train steps; augmentation; then the tests, which simulate
# devices on its CPU. Each part has a time limit and what it prints goes to a file of its own, so that
# nothing is lost where the whole call has a limit too; the parts run on where one fails.
#
#   benchmarks/machine.sh OUT [SECONDS]     600 seconds by default, shared out among the parts
set -uo pipefail
cd "$(dirname "$0")/.." || exit
out="$(realpath -m "${1:?usage: benchmarks/machine.sh OUT [SECONDS]}")"
seconds="${2:-600}"
python="${PYTHON:-python3}"
mkdir -p "$out"
failed=0

part() { # name, share of the time in percent, command
  local start=$SECONDS status
  timeout --kill-after=10 $((seconds * $2 / 100)) "${@:3}" >"$out/$1.log" 2>&1
  status=$?
  echo "== $1: status $status after $((SECONDS - start)) s: ${*:3}"
  grep -E '^\||^[0-9]+ (passed|failed)|^[0-9]+ x |^step |^error|^trained|^head' "$out/$1.log" |
    tail -n 40
  [ "$status" -eq 0 ] || failed=1
}

train=("$python" -m jcl.train --config=configs/simclr_shapes.py --workdir="$out/run")

# shellcheck disable=SC2329 # a shell of its own calls it, under a time limit
interrupted() { # SIGTERM once the first step is logged; its status is that of a run to start again
  "${train[@]}" &
  local run=$!
  while kill -0 "$run" 2>/dev/null && [ ! -s "$out/run/metrics.jsonl" ]; do sleep 1; done
  kill -TERM "$run"
  wait "$run"
  [ $? -eq 75 ]
}
export -f interrupted
export out

"$python" -c 'import jax; print("JAX", jax.__version__, jax.devices())'
part interrupted 15 bash -c "$(declare -p train); interrupted"
part resumed 10 "${train[@]}"
part probed 10 "$python" -m jcl.evaluate --workdir="$out/run" --config.probe.baselines=False
part losses 15 "$python" -m benchmarks.losses --repeats=5 --rows=8192,32768 --losses=nt_xent,dcl
part steps 25 "$python" -m benchmarks.step --repeats=5 --cases=resnet50,vit_b,vit_s,shapes,cifar10
part augmentation 5 "$python" -m benchmarks.augmentation --repeats=5
part tests 20 env JAX_PLATFORMS=cpu "$python" -m pytest -n 8 --dist loadfile \
  -m "not slow and not reference" -p no:cacheprovider
exit "$failed"
