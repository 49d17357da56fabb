#!/usr/bin/env bash
# The demonstrations of docs/demonstrations.md, three seeds each. Started again it goes on. JOBS runs
# share the machine. At the end it prints the table of what came out.
#
#   benchmarks/study_demonstrations.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_demonstrations}"
python="${PYTHON:-.venv/bin/python}"
data=data/variants
benchmarks/prepare_variants.sh "$data"

sweep() { # a condition on the cells that run
  local cells
  cells=$("$python" -c "from configs.demonstrations import CELLS
print(*(name for name, cell in CELLS.items() if $1), sep=',')")
  "$python" -m launch.sweep --config="configs/demonstrations.py:runs=$root,data=$data" \
    --grid ":cell=$cells" --seeds=3 --workdir="$root" --jobs="${JOBS:-1}"
}

sweep "not cell.after"
# What the other cells start from: clusters of the features of two runs.
scenes="$root/cell=mlcd-simclr,seed=0"
if [ ! -e "$root/scenes_clusters.npz" ]; then
  "$python" -m jcl.evaluate --workdir="$scenes" --export_features="$root/scenes_features.npz"
  "$python" -m jcl.data.prepare --source=scenes --clusters_of="$root/scenes_features.npz" \
    --centres=200 --nearest=8 --name=scenes_clusters --data_dir="$root"
fi
"$python" -m jcl.evaluation.groups --workdir="$root/cell=mcl-stage0,seed=0" --out="$root/mcl_groups1.npz"
sweep "cell.after"
"$python" -m benchmarks.demonstrations.further "$root"
"$python" -m benchmarks.demonstrations "$root"
