#!/usr/bin/env bash
# DCL against SimCLR at batches of 32, 128 and 512 on `shapes`, four epochs each: first the temperature
# of either, from three at a batch of 128 with one seed, by linear top-1; then, with the one that was
# chosen (SimCLR 0.5, DCL 0.2), three seeds at each batch. The learning rate grows with the root of the
# batch. Started again it goes on.
#
#   benchmarks/study_dcl.sh [FOLDER] && python -m jcl.report FOLDER/temperature
#   python -m jcl.report FOLDER/batch
set -euo pipefail
cd "$(dirname "$0")/.."
root="${1:-runs/study_dcl}"
python="${PYTHON:-.venv/bin/python}"

sweep() {
  "$python" -m launch.sweep --config=configs/simclr_shapes.py:epochs=4 --workdir="$root/$1" \
    --config.optimizer.scaling=sqrt --config.optimizer.learning_rate=2.65e-4 \
    --config.probe.baselines=False --config.probe.linear_seeds=1 "${@:2}"
}

sweep temperature --grid method.name=simclr,dcl --grid method.temperature=0.1,0.2,0.5 \
  --config.batch_size=128
sweep batch --grid method.name=simclr --grid method.temperature=0.5 \
  --grid batch_size=32,128,512 --seeds=3
sweep batch --grid method.name=dcl --grid method.temperature=0.2 \
  --grid batch_size=32,128,512 --seeds=3
