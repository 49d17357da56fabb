# Every target does its own set-up; `make quickstart` on a fresh clone is enough.
PYTHON ?= python3
BIN := .venv/bin
FASHION_MNIST ?= /usr/share/datasets/fashion-mnist
.PHONY: setup quickstart test test-optimised test-slow test-reference test-kernels test-next-jax lint \
  fashion-mnist fashion-angle diamonds dataset-fashion-mnist

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[train,tensorboard,dev]'
	touch $@

quickstart: setup
	$(BIN)/python -m jcl.train --config=configs/simclr_shapes.py --workdir=runs/quickstart
	$(BIN)/python -m jcl.evaluate --workdir=runs/quickstart

# Tests compile for TPUs on machines without one. Beside the environment and not in it, where libtpu
# would load, and complain, in every JAX program that does not set JAX_PLATFORMS.
.venv/libtpu/ready: constraints.txt | setup
	mkdir -p .venv/libtpu
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --upgrade --no-deps --target .venv/libtpu \
	  'libtpu; platform_machine == "x86_64" and sys_platform == "linux"'
	touch $@

# LLVM's optimisations take longer than the tiny programs of the tests; `test-optimised` has them.
test: setup .venv/libtpu/ready
	XLA_FLAGS="$$XLA_FLAGS --xla_backend_optimization_level=0" \
	  $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not reference"

# What must be exact once more, compiled as users compile it.
test-optimised: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not reference" \
	  tests/losses tests/training/test_parity.py tests/training/test_step.py

# SkyPilot's loader reads launch/skypilot.yaml in a test; it wants other versions of some packages.
.venv/skypilot/ready: Makefile | setup
	$(PYTHON) -m venv .venv/skypilot
	.venv/skypilot/bin/python -m pip install --quiet --disable-pip-version-check skypilot==0.14.1
	touch $@

test-slow: setup .venv/skypilot/ready
	$(BIN)/python -m pytest -m slow

# The same networks in PyTorch, with the same weights. Where no CPU build of PyTorch is at hand, pip
# takes the one for CUDA, several GB.
test-reference: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[reference]'
	$(BIN)/python -m pytest -m reference tests/reference

# The kernels for GPUs, in the interpreter of a newer JAX than the other tests'.
test-kernels:
	tests/kernels.sh

# With the JAX of GPU machines, on the Python of a Debian 13 in a folder (needs root); not in CI.
test-next-jax:
	tests/next_jax.sh -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck .ci/run launch/*.sh launch/*.sbatch benchmarks/*.sh tests/*.sh

# Real images: Debian's package of IDX files, written as a TFDS dataset under data/.
fashion-mnist: data/fashion_mnist

data/fashion_mnist: | setup dataset-fashion-mnist
	$(BIN)/python -m jcl.data.prepare --idx=$(FASHION_MNIST) --name=fashion_mnist --data_dir=data

# Real regression: images turned by a known angle, and the prices of diamonds. Of each a training
# split that is uniform over the target and one whose density falls by 100; the same test split.
BALANCED := --target_density=uniform --train_examples=10000 --test_examples=2000
IMBALANCED := --target_density=exponential --train_examples=10000 --test_examples=2000
fashion-angle: data/fashion_angle data/fashion_angle_imbalanced
diamonds: data/diamonds.npz data/diamonds_imbalanced.npz

data/fashion_angle: | setup dataset-fashion-mnist
	$(BIN)/python -m jcl.data.prepare --idx=$(FASHION_MNIST) --rotate=60 $(BALANCED) \
	  --name=fashion_angle --data_dir=data

data/fashion_angle_imbalanced: | setup dataset-fashion-mnist
	$(BIN)/python -m jcl.data.prepare --idx=$(FASHION_MNIST) --rotate=60 $(IMBALANCED) \
	  --name=fashion_angle_imbalanced --data_dir=data

data/diamonds.npz: | setup
	$(BIN)/python -m jcl.data.prepare --diamonds $(BALANCED) --name=diamonds --data_dir=data

data/diamonds_imbalanced.npz: | setup
	$(BIN)/python -m jcl.data.prepare --diamonds $(IMBALANCED) --name=diamonds_imbalanced \
	  --data_dir=data

dataset-fashion-mnist:
	test -d $(FASHION_MNIST) || { apt-get update -qq && apt-get install -y -qq dataset-fashion-mnist; }
