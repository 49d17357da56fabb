"""Overlapping Gaussian classes: features that a probe gets partly right."""

import numpy as np


def blobs(n, *, seed, n_classes=5, width=16, spread=1.5):
    """Features float32 [n, width] with a decaying spectrum, labels int32 [n]."""
    centres = np.random.default_rng(99).normal(size=(n_classes, width))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n).astype(np.int32)
    features = centres[labels] + spread * rng.normal(size=(n, width))
    return (features / np.arange(1, width + 1) + 0.3).astype(np.float32), labels
