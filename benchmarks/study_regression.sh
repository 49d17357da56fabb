#!/usr/bin/env bash
# SupReMix, either of its mixtures alone, SupCon, Rank-N-Contrast and training from end to end (L1),
# on two regression tasks: three seeds where the training split is uniform over the target, one where
# it is imbalanced. The same encoder, views and budget everywhere, each method at its authors' own
# temperature. Started again it goes on; `make fashion-angle diamonds` prepares the data.
#
#   benchmarks/study_regression.sh [FOLDER] && python -m jcl.report FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_regression}"
python="${PYTHON:-.venv/bin/python}"

sweep() { # folder, config, data, seeds, then what is swept
  "$python" -m launch.sweep --config="$2" --workdir="$root/$1" --seeds="$4" \
    --config.data.name="$3" --config.probe.linear_seeds=1 --config.probe.baselines=False "${@:5}"
}

task() {
  sweep "$@" --grid method.name=supremix,supcon,rnc,l1
  sweep "$@" --grid method.mix_neg=False
  sweep "$@" --grid method.mix_pos=False
}

for seeds in 1 3; do # one of everything first
  task diamonds configs/supremix_diamonds.py arrays:data/diamonds.npz "$seeds"
  task fashion_angle configs/supremix_fashion_angle.py tfds:fashion_angle "$seeds"
  task diamonds_imbalanced configs/supremix_diamonds.py arrays:data/diamonds_imbalanced.npz 1
  task fashion_angle_imbalanced configs/supremix_fashion_angle.py \
    tfds:fashion_angle_imbalanced 1
done
