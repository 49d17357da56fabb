#!/usr/bin/env bash
# What one machine does, in one call of eight minutes from empty caches, and a report of it: losses
# beside a matrix product, train steps and how long the first one takes, PyTorch's where torch is
# installed, the binary taken away by SIGTERM, resumed and probed, and the tests of losses.
#
#   benchmarks/machine.sh OUT [SECONDS]     480 by default, shared out among the parts
#
# What matters most comes first. Each part has a time limit; what it prints goes to OUT/PART.log, its
# complaints to OUT/PART.err. OUT/report.md is written anew after every part, so that nothing is lost
# where the whole call is cut off; copied to benchmarks/reports/ it is what others read. A CPU gets a
# reduced form, which tries the parts and says little of the machine. PYTHON names an interpreter.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
out="$(realpath -m "${1:?usage: benchmarks/machine.sh OUT [SECONDS]}")"
seconds="${2:-480}"
python="${PYTHON:-python3}"
if [ -e "$out/machine.json" ]; then
  echo "error: $out holds an earlier call's parts; name a new folder" >&2
  exit 2
fi
mkdir -p "$out"
export JAX_COMPILATION_CACHE_DIR="$out/compiled" PYTHONDONTWRITEBYTECODE=1
failed=0

run() { # name, share of the time in percent, command
  local start=$SECONDS limit=$((seconds * $2 / 100)) status=0
  timeout --kill-after=10 "$limit" "${@:3}" >"$out/$1.log" 2>"$out/$1.err" || status=$?
  local command="${*:3}"
  command="${command//"$python"/python}"
  printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$status" $((SECONDS - start)) "$limit" \
    "${command//"$out"/OUT}" >"$out/$1.part"
}

report() { # name
  local status seconds limit
  IFS=$'\t' read -r _ status seconds limit _ <"$out/$1.part"
  echo "== $1: status $status after $seconds s of $limit"
  cat "$out/$1.log"
  [ "$status" -eq 0 ] || { failed=1 && tail -n 3 "$out/$1.err" >&2; }
  cat "$out/$1.part" >>"$out/parts.tsv"
  "$python" -m benchmarks.report "$out" >"$out/report.md.new" && mv "$out/report.md.new" "$out/report.md"
}

part() {
  run "$@"
  report "$1"
}

device=$("$python" -m benchmarks.describe_machine "$out") || exit
echo "$device"
train=("$python" -m jcl.train --config=configs/simclr_shapes.py --workdir="$out/run")
[ "$device" != cpu ] || train+=(--config.total_steps=60 --config.log_every_steps=5)

# shellcheck disable=SC2329 # a shell of its own calls it, under a time limit
interrupted() { # command; SIGTERM once steps are logged, after which its status is to be 75
  local start=$EPOCHREALTIME
  "$@" &
  local process=$!
  while kill -0 "$process" 2>/dev/null && [ ! -s "$out/run/metrics.jsonl" ]; do sleep 0.2; done
  awk "BEGIN {printf \"first steps logged %.1f s after the start\n\", $EPOCHREALTIME - $start}"
  kill -TERM "$process"
  wait "$process"
  local status=$?
  echo "status $status after SIGTERM (75: the same command goes on), $(wc -l <"$out/run/metrics.jsonl") lines logged"
  [ "$status" -eq 75 ]
}

# shellcheck disable=SC2329
resumed() { # command, that goes on to the end; then every step is to be logged once
  "$@" && "$python" -c 'import json, sys
steps = [json.loads(line)["step"] for line in open(sys.argv[1])]
print(f"{len(steps)} lines logged, each once: {steps == sorted(set(steps))}, the last of step {steps[-1]}")
sys.exit(steps != sorted(set(steps)))' "$out/run/metrics.jsonl"
}
export -f interrupted resumed
export out python

losses=("$python" -m benchmarks.losses --widths=128 "--losses=nt_xent,info_nce")
case "$device" in
  hopper) part losses 13 "$python" -m benchmarks.hopper --seconds=$((seconds * 11 / 100)) ;;
  cpu) part losses 13 "${losses[@]}" --repeats=3 --rows=1024 ;;
  *) part losses 13 "${losses[@]}" --repeats=5 --rows=8192,32768 ;;
esac
has_torch=$("$python" -c 'import importlib.util; print(importlib.util.find_spec("torch") is not None)')
if [ "$has_torch" = True ]; then
  part torch_losses 8 "$python" -m benchmarks.torch_gpu_losses --seconds=$((seconds * 7 / 100))
fi
if [ "$device" = cpu ]; then
  part step_shapes 45 "$python" -m benchmarks.step --repeats=3 --cases=shapes
else
  part step_resnet50 23 "$python" -m benchmarks.step --repeats=5 --cases=resnet50
  part step_vit_b 23 "$python" -m benchmarks.step --repeats=5 --cases=vit_b
fi
[ "$has_torch" != True ] || part torch_steps 8 "$python" -m benchmarks.torch_steps
part interrupted 9 bash -c 'interrupted "$@"' SIGTERM "${train[@]}"

# The tests run beside what is not timed.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
case "$device" in hopper | gpu) platforms=cuda,cpu ;; *) platforms=cpu ;; esac
run tests 14 env JAX_PLATFORMS=$platforms "$python" -m pytest -p tests.on_a_gpu -p no:cacheprovider \
  -o addopts= -q -n auto --maxprocesses=8 --dist loadfile -m "not slow and not reference" \
  tests/losses/test_two_view_losses.py tests/losses/test_near_views.py tests/losses/test_info_nce.py \
  tests/losses/test_supcon.py tests/losses/test_sogclr.py &
part resumed 7 bash -c 'resumed "$@"' TO_THE_END "${train[@]}"
part probed 7 "$python" -m jcl.evaluate --workdir="$out/run" --config.probe.baselines=False
wait
report tests
rm -rf "$out/compiled"
exit "$failed"
