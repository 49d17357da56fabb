#!/usr/bin/env bash
# SupReMix, either of its mixtures alone, SupCon, Rank-N-Contrast and training from end to end (L1),
# on two regression tasks: three seeds where the training split is uniform over the target, one where
# it is imbalanced. The same encoder, views and budget everywhere, each method at its authors' own
# temperature. Besides the 48 runs of that, 8 in which L1 trains encoder and projector, to be compared
# with the contrastive methods' projections. Started again it goes on; `make fashion-angle diamonds`
# prepares the data.
#
#   benchmarks/study_regression.sh [FOLDER] && python -m jcl.report FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_regression}"
python="${PYTHON:-.venv/bin/python}"

sweep() { # folder, config, data, seeds, then what is swept
  "$python" -m launch.sweep --config="$2" --workdir="$root/$1" --seeds="$4" \
    --config.data.name="$3" --config.probe.linear_seeds=1 --config.probe.baselines=False \
    "--config.probe.outputs=('features', 'projection')" "${@:5}"
}

task() { # the same, then the encoder with the projector at its end
  sweep "${@:1:4}" --grid method.name=supremix,supcon,rnc,l1
  sweep "${@:1:4}" --grid method.mix_neg=False
  sweep "${@:1:4}" --grid method.mix_pos=False
  sweep "${@:1:4}" --config.method.name=l1 --config.encoder.widths="$6" \
    --grid encoder.name="benchmarks.projected_encoders:$5"
}

diamonds() { # folder, seeds
  task "$1" configs/supremix_diamonds.py "arrays:data/$1.npz" "$2" ProjectedMLP "(256, 256)"
}

fashion_angle() {
  task "$1" configs/supremix_fashion_angle.py "tfds:$1" "$2" ProjectedConvNet "(32, 64, 128)"
}

for seeds in 1 3; do # one of everything first
  diamonds diamonds "$seeds"
  fashion_angle fashion_angle "$seeds"
  diamonds diamonds_imbalanced 1
  fashion_angle fashion_angle_imbalanced 1
done
