"""A run on examples with several images and captions: trained, resumed, measured."""

import json
import shutil

import jax
import numpy as np
import pytest

import jcl
from jcl.data.prepare.write_pairs import write_drawings
from jcl.evaluate import evaluate
from jcl.runtime.metrics import read_metrics
from jcl.train import train
from tests.tiny import tiny_config

WORDS = ("red", "green", "blue", "small", "large", "bird", "fish", "tree")


def drawings(n, seed):
    """Symbols in three styles, the last of which draws every other one."""
    random = np.random.RandomState(seed)
    there = np.ones((n, 3), bool)
    there[::2, 2] = False
    said = [" ".join(random.choice(WORDS, 3)) for _ in range(2 * n)]
    text = np.array(said).reshape(n, 2)
    text[::3, 1] = ""
    return {
        "image": random.randint(0, 256, (n, 3, 16, 16, 3)).astype(np.uint8),
        "image_mask": there,
        "text": text,
        "label": (np.arange(n) % 3).astype(np.int32),
    }


@pytest.fixture
def one_device_without_tensorboard(monkeypatch):
    monkeypatch.setattr("jcl.runtime.metrics.open_tensorboard", lambda workdir: None)
    make_mesh = jcl.train.make_mesh
    monkeypatch.setattr("jcl.train.make_mesh", lambda **_: make_mesh(devices=jax.devices()[:1]))


@pytest.mark.slow
@pytest.mark.usefixtures("one_device_without_tensorboard")
def test_training_resumes_exactly_and_evaluation_has_all_scores(tmp_path):
    splits = {"train": drawings(24, 0), "test": drawings(9, 1)}
    write_drawings(splits, ["red bird", "fish", "tree"], name="few", data_dir=str(tmp_path))

    def config_of():
        return tiny_config(
            **{
                "total_steps": 4,
                "data.name": "tfds:few",
                "data.dir": str(tmp_path),
                "data.vocabulary": 270,
                "data.text_length": 24,
                "method.name": "clip",
                "views.name": "image_and_text",
                "text_encoder.name": "token_bag",
                "text_encoder.width": 6,
                "text_encoder.dropout": 0.2,
                "text_projector.layers": 1,
                "text_projector.output_dim": 8,
                "optimizer.warmup_steps": 0,
                "checkpoint.every_steps": 2,
                "probe.linear_seeds": 1,
                "probe.shares": (),
                "probe.templates": ("a {}", "the {} here"),
            }
        )

    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    train(config_of(), straight, accept_config_changes=False)
    shutil.copytree(straight, resumed)
    shutil.rmtree(resumed / "checkpoints" / "4")
    train(config_of(), resumed, accept_config_changes=False)
    assert json.loads((resumed / "run.json").read_text())["start_step"] == 2
    found, expected = (
        [(line["batch_hash"], line["loss"]) for line in read_metrics(workdir)]
        for workdir in (resumed, straight)
    )
    assert found == expected
    assert len({*expected}) == 4

    results = evaluate(config_of(), straight)
    assert not [said for said in results["remarks"] if "not the data" in said]
    assert results["zero_shot"]["templates"] == 2
    assert set(results["retrieval"]) == {"image_to_text", "text_to_image", "image_to_image"}
    for found in results["retrieval"].values():
        assert 0 <= found["r1"] <= found["r5"] <= found["r10"] <= 1
    assert results["pixels"]["knn"]["top1"] >= 0
    figures = {path.name for path in (straight / "figures").iterdir()}
    assert {"found_texts.png", "found_images.png", "views.png"} <= figures
