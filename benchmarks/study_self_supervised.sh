#!/usr/bin/env bash
# All self-supervised methods on `shapes`: three rates each on one seed, judged by a held-out fifth of
# the training split; then the best of each with three seeds, judged by the test split. Started again
# it goes on. JOBS runs share the machine (JOBS=2: quicker in all, and no times to quote).
#
#   benchmarks/study_self_supervised.sh [FOLDER] && python -m jcl.report FOLDER/seeds
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_self_supervised}"
python="${PYTHON:-.venv/bin/python}"
passes="${PASSES:-28}"
jobs="${JOBS:-1}"
cells=$("$python" -c 'from configs.self_supervised_shapes import PASSES
print(*(f"{method}-{factor}" for method in PASSES for factor in (0.33, 1, 3)), sep=",")')
sweep() { # folder, cells, seeds, then more
  "$python" -m launch.sweep --config="configs/self_supervised_shapes.py:passes=$passes" \
    --workdir="$root/$1" --grid ":cell=$2" --seeds="$3" --jobs="$jobs" "${@:4}"
}
sweep rates "$cells" 1 --config.data.held_out=0.2 --config.probe.baselines=False
best=$("$python" -m benchmarks.best_rates "$root/rates")
sweep seeds "$best" 3
