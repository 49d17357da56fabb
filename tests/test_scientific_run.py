"""A run on a folder of 16-bit images of five channels, of which some have no class."""

import json

import numpy as np
import pytest
import tifffile

import jcl
from jcl.evaluate import evaluate
from jcl.train import train
from tests.tiny import tiny_config

pytestmark = pytest.mark.slow  # trains


def test_it_trains_and_is_probed_and_loaded(tmp_path):
    random = np.random.default_rng(0)
    for i in range(96):
        values = random.integers(0, 2000, (20, 17, 5)).astype(np.uint16)
        values[..., i % 2] += 2000
        place = tmp_path / "scans" / ("" if i % 8 > 5 else "ab"[i % 2])
        place.mkdir(parents=True, exist_ok=True)
        axes = {"photometric": "minisblack", "metadata": {"axes": "YXC"}}
        tifffile.imwrite(place / f"{i}.tif", values, **axes)
    config = tiny_config(
        **{
            "data.name": f"folder:{tmp_path}/scans",
            "data.image_size": 16,
            "data.image_range": (0, 4095),
            "data.held_out": 0.25,
            "views.name": "simclr_cifar",
            "probe.linear_seeds": 1,
            "probe.knn_k": 5,
            "probe.shares": (),
        }
    )
    workdir = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:  # TensorFlow takes long to import
        patch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
        train(config, workdir, accept_config_changes=False)
    evaluate(config, workdir)
    results = json.loads((workdir / "results.json").read_text())
    assert results["pixels"]["knn"]["top1"] > 0.9  # the mean of a channel tells
    assert 0 <= results["knn"]["top1"] <= 1
    assert (workdir / "figures" / "views.png").exists()
    features, params = jcl.load(workdir)
    deep = random.integers(0, 65536, (3, 16, 16, 5)).astype(np.uint16)
    shares = deep / np.float32(65535)
    found, expected = features(params, deep), features(params, shares)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
