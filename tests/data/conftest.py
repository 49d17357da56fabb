"""One small dataset, as arrays and as the TFDS dataset that prepare makes of them."""

import numpy as np
import pytest

from jcl.data.prepare import write


@pytest.fixture(scope="session")
def small_arrays():
    """Noise images with labels and targets: 300 for training, 20 for testing."""
    rng = np.random.default_rng(0)

    def split(n):
        return {
            "image": rng.integers(0, 256, (n, 9, 7, 3), np.uint8),
            "label": (np.arange(n) % 5).astype(np.int32),
            "target": rng.normal(size=n).astype(np.float32),
        }

    return {"train": split(300), "test": split(20)}


@pytest.fixture(scope="session")
def small_dir(small_arrays, tmp_path_factory):
    """A TFDS data directory that holds `small_arrays` as tfds:small."""
    data_dir = tmp_path_factory.mktemp("tfds")
    write.write_arrays(small_arrays, name="small", data_dir=str(data_dir))
    return data_dir
