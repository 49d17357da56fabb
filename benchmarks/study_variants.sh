#!/usr/bin/env bash
# Baselines on the variants of docs/variants.md, three seeds each: 75 runs, which took 131
# minutes in sum beside other work (2 CPU cores). Started again it goes on.
#
#   benchmarks/study_variants.sh [FOLDER] && python -m jcl.report FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
benchmarks/prepare_variants.sh
cells=$("$python" -c 'from configs.variant_baselines import CELLS; print(*CELLS, sep=",")')
"$python" -m launch.sweep --config=configs/variant_baselines.py --grid ":cell=$cells" --seeds=3 \
  --workdir="${1:-runs/study_variants}"
