#!/usr/bin/env bash
# Baselines on the variants of docs/variants.md, the smallest that tell them apart: 10,000 training
# photographs of Fashion-MNIST, or `shapes`, ten epochs, three seeds. Each folder is a table of its own.
# Started again it goes on.
#
#   benchmarks/study_variants.sh [FOLDER] && python -m jcl.report FOLDER/TASK
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_variants}"
data="${DATA:-data/variants}"
fashion="${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}"
python="${PYTHON:-.venv/bin/python}"

prepare() { # name, then flags
  [ -e "$data/$1.npz" ] || [ -e "$data/$1" ] ||
    "$python" -m jcl.data.prepare --name="$1" --data_dir="$data" "${@:2}"
}

of_fashion() { # name, then flags
  prepare "$1" --idx="$fashion" --train_examples=10000 --test_examples=2000 "${@:2}"
}

sweep() { # task, config, data, then what is swept
  "$python" -m launch.sweep --config="configs/$2.py:epochs=10" --workdir="$root/$1" --seeds=3 \
    --config.data.name="$3" --config.probe.linear_seeds=1 --config.probe.baselines=False "${@:4}"
}

photographs() { # task, data, methods, then more
  sweep "$1" simclr_fashion_mnist "$2" --grid method.name="$3" "${@:4}"
}

drawn() { # the same
  sweep "$1" simclr_shapes "$2" --grid method.name="$3" "${@:4}"
}

for ratio in 1 10 100; do
  of_fashion "fashion_tail$ratio" --class_ratio="$ratio"
  photographs "tail$ratio" "tfds:fashion_tail$ratio" simclr,sogclr,supcon,cross_entropy \
    --config.data.dir="$data"
done

for rate in 0.2 0.4; do
  for kind in symmetric asymmetric; do
    of_fashion "fashion_${kind}_${rate/./}" --label_noise="$kind" --label_noise_rate="$rate"
    photographs "${kind}_${rate/./}" "arrays:$data/fashion_${kind}_${rate/./}.npz" \
      simclr,supcon,cross_entropy
  done
done

for style in none contrast; do
  of_fashion "fashion_styles_$style" --styles="$style"
  photographs "styles_$style" "arrays:$data/fashion_styles_$style.npz" simclr,supcon
done

of_fashion fashion_pairs --planted_noise=0.05 --planted_wrong=0.05
photographs pairs "arrays:$data/fashion_pairs.npz" simclr,dcl --grid views.name=crop_flip_light,partners

for share in 0 0.95; do
  prepare "shapes_colour_${share/./}" --source=shapes --class_colour="$share"
  drawn "colour_${share/./}" "arrays:$data/shapes_colour_${share/./}.npz" simclr,supcon \
    --grid views.name=shapes,weak
done

drawn textured textured simclr,supcon
