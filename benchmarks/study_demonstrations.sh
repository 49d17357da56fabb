#!/usr/bin/env bash
# The demonstrations of docs/demonstrations.md, three seeds each. Started again it goes on. JOBS runs
# share the machine. At the end it prints the table of what came out.
#
#   benchmarks/study_demonstrations.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_demonstrations}"
python="${PYTHON:-.venv/bin/python}"
benchmarks/prepare_variants.sh
cells=$("$python" -c 'from configs.demonstrations import CELLS; print(*CELLS, sep=",")')
"$python" -m launch.sweep --config=configs/demonstrations.py --grid ":cell=$cells" --seeds=3 \
  --workdir="$root" --jobs="${JOBS:-1}"
"$python" -m benchmarks.demonstrations.further "$root"
"$python" -m benchmarks.demonstrations "$root"
