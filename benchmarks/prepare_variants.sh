#!/usr/bin/env bash
# The data of configs/variant_baselines.py and configs/demonstrations.py, each from a seed of its own.
# What is there stays.
#
#   benchmarks/prepare_variants.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
data="${1:-data/variants}"
fashion="${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}"
python="${PYTHON:-.venv/bin/python}"
make -s setup dataset-fashion-mnist FASHION_MNIST="$fashion"

prepare() { # name, then flags
  [ -e "$data/$1.npz" ] || [ -e "$data/$1" ] ||
    "$python" -m jcl.data.prepare --name="$1" --data_dir="$data" "${@:2}"
}

photographs() { # the same
  prepare "$1" --idx="$fashion" --train_examples=10000 --test_examples=2000 "${@:2}"
}

for ratio in 1 10 100; do
  photographs "fashion_tail$ratio" --class_ratio="$ratio"
done
photographs fashion_clean --label_noise=symmetric --label_noise_rate=0
photographs fashion_symmetric --label_noise=symmetric --label_noise_rate=0.4
photographs fashion_asymmetric --label_noise=asymmetric --label_noise_rate=0.3
photographs fashion_styles_none --styles=none
photographs fashion_styles_contrast --styles=contrast
# Shirts: of ankle boots the plain baseline finds 99.7% of AUROC.
prepare fashion_turned_shirts --idx="$fashion" --classes=6 --turned_outliers
photographs fashion_pairs
photographs fashion_bad_pairs --planted_noise=0.05 --planted_wrong=0.05
photographs fashion_tree --tree="((0, 2, 4, 6), 3), (5, 7, 9), 1, 8"
prepare shapes_colour_0 --source=shapes --class_colour=0
prepare shapes_colour_95 --source=shapes --class_colour=0.95
# A thousand examples of five classes, alone and ten times beside ten thousand of five other classes.
prepare fashion_few --idx="$fashion" --classes=0,1,2,3,4 --train_examples=1000 --test_examples=2000
prepare fashion_others --idx="$fashion" --classes=5,6,7,8,9 --train_examples=10000
prepare fashion_joined --source=tfds:fashion_few --also=tfds:fashion_others --times=10
# Frequent and rare shapes; six of the shapes, and the two others.
prepare shapes_tail100 --source=shapes --class_ratio=100
prepare shapes_six --source=shapes --classes=0,1,4,5,6,7
prepare shapes_pair --source=shapes --classes=2,3
# Few of the targets near one end.
rare=(--target_density=exponential --train_examples=10000 --test_examples=2000)
prepare diamonds_imbalanced --diamonds "${rare[@]}"
prepare fashion_angle_imbalanced --idx="$fashion" --rotate=60 "${rare[@]}"
# Six labelled classes in one style, and all eight without labels in another.
prepare shapes_source --source=shapes --classes=0,1,2,3,4,5 --style=plain
prepare shapes_two_styles --source=shapes --style=gradient --also="arrays:$data/shapes_source.npz"
# Few real images beside many of a generator that is slightly wrong.
prepare shapes_real --source=shapes --train_examples=2000
for times in vanilla:1 replicated:10; do
  prepare "shapes_${times%:*}" --source=tfds:shapes_real --times="${times#*:}" \
    --also=benchmarks.generated_shapes:generated_shapes
done
# Every image eight times, and which of them Hash-6 keeps.
prepare fashion_redundant --idx="$fashion" --train_examples=5000 --test_examples=2000 --copies=8
[ -e "$data/fashion_distinct.npz" ] ||
  "$python" -m jcl.data.prepare.distinct --source=tfds:fashion_redundant --data_dir="$data" \
    --out="$data/fashion_distinct.npz"
