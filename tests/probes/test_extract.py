import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcl.data.source import InMemorySource
from jcl.errors import UserError
from jcl.probes import Features, extract, raw_inputs, save_features


def make_source(n=23):
    rng = np.random.default_rng(0)
    return InMemorySource(
        {
            "image": rng.integers(0, 256, (n, 4, 4, 3)).astype(np.uint8),
            "label": rng.integers(0, 5, n).astype(np.int32),
            "target": rng.random(n).astype(np.float32),
        },
        n_classes=5,
    )


def mean_colour(examples):
    return jnp.mean(examples["image"].astype(jnp.float32), axis=(1, 2))


@pytest.mark.parametrize("batch_size", [1, 5, 23, 64])
def test_every_row_once_in_order(batch_size):
    source = make_source()
    extracted = extract(mean_colour, source, batch_size=batch_size)
    expected = source.arrays["image"].astype(np.float64).mean((1, 2))
    np.testing.assert_allclose(extracted.features, expected, rtol=1e-6)
    np.testing.assert_array_equal(extracted.label, source.arrays["label"])
    np.testing.assert_array_equal(extracted.target, source.arrays["target"])


def test_one_compilation_although_the_last_batch_is_short():
    shapes = []

    @jax.jit
    def apply(examples):
        shapes.append(examples["image"].shape)  # runs when traced
        return mean_colour(examples)

    extract(apply, make_source(), batch_size=10)
    assert shapes == [(10, 4, 4, 3)]


def test_images_alone_have_no_labels_and_bfloat16_becomes_float32():
    images = make_source().arrays["image"]
    extracted = extract(lambda x: mean_colour(x).astype(jnp.bfloat16), images, batch_size=8)
    assert extracted.features.dtype == np.float32
    assert extracted.features.shape == (23, 3)
    assert extracted.label is None
    assert extracted.target is None


def test_all_that_is_known_is_kept_and_nothing_that_networks_see():
    source, n = make_source(), 23
    arrays = {
        "labels": np.arange(n * 4).reshape(n, 4).astype(np.uint8),
        "planted": np.arange(n) % 3 == 0,
        "text": np.zeros((n, 6), np.int32),
    }
    known = raw_inputs(InMemorySource({**source.arrays, **arrays}), batch_size=5).known
    assert set(known) == {"label", "target", "labels", "planted"}
    for name in ("labels", "planted"):
        np.testing.assert_array_equal(known[name], arrays[name], strict=True)


def test_feature_vectors_can_be_encoded_too():
    vectors = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    extracted = extract(
        lambda x: 2 * x["features"], InMemorySource({"features": vectors}), batch_size=4
    )
    np.testing.assert_array_equal(extracted.features, 2 * vectors)


def test_raw_feature_vectors_are_their_own_baseline():
    rng = np.random.default_rng(0)
    arrays = {"features": rng.normal(size=(7, 3)).astype(np.float32)}
    arrays["target"] = rng.normal(size=7).astype(np.float32)
    raw = raw_inputs(InMemorySource(arrays), batch_size=4)
    np.testing.assert_array_equal(raw.features, arrays["features"])
    np.testing.assert_array_equal(raw.target, arrays["target"])
    assert raw.label is None


def test_pixels_are_flat_and_in_the_unit_interval():
    source = make_source()
    raw = raw_inputs(source, batch_size=5)
    assert raw.features.dtype == np.float32
    np.testing.assert_allclose(
        raw.features, source.arrays["image"].reshape(23, 48) / 255, rtol=1e-6
    )
    assert raw.features.min() == 0
    assert raw.features.max() == 1
    np.testing.assert_array_equal(raw.label, source.arrays["label"])


def test_pixels_of_photographs_are_thumbnails():
    """At most 32 pixels on a side; what is smaller keeps its size."""
    patches = np.random.RandomState(0).randint(0, 256, (3, 16, 8, 3), np.uint8)
    images = patches.repeat(8, axis=1).repeat(4, axis=2)  # 128x32: only the rows are shrunk
    raw = raw_inputs(images, batch_size=2).features
    assert raw.shape == (3, 32 * 32 * 3)
    shrunk = raw.reshape(3, 16, 2, 32, 3).mean(2)  # filters reach into both neighbours alike
    smooth = raw_inputs(np.full((1, 64, 64, 1), 51, np.uint8)).features
    np.testing.assert_allclose(smooth, 0.2, rtol=1e-5)
    assert np.corrcoef(shrunk.ravel(), (patches.repeat(4, axis=2) / 255).ravel())[0, 1] > 0.9


class SlowStart(InMemorySource):
    """Not in memory, for all that is known of it; the earlier a batch, the longer it takes."""

    def batch(self, indices):
        time.sleep(0.02 * (4 - indices[0] // 5))
        return super().batch(indices)


def test_batches_that_are_read_in_threads_keep_their_order():
    source = make_source()
    slow = SlowStart(source.arrays)
    object.__setattr__(slow, "in_memory", False)
    expected, ours = (raw_inputs(s, batch_size=5) for s in (source, slow))
    np.testing.assert_array_equal(expected.features, ours.features)
    for name in ("label", "target"):
        np.testing.assert_array_equal(expected.known[name], ours.known[name])


def test_saved_features_come_back(tmp_path):
    train = raw_inputs(make_source())
    test = Features(train.features[:3], {"label": train.label[:3]})
    path = tmp_path / "new" / "features.npz"
    save_features(path, train, test)
    with np.load(path, allow_pickle=False) as saved:
        assert sorted(saved) == [
            "test_features",
            "test_label",
            "train_features",
            "train_label",
            "train_target",
        ]
        np.testing.assert_array_equal(saved["train_features"], train.features)
        np.testing.assert_array_equal(saved["train_target"], train.target)
        np.testing.assert_array_equal(saved["test_label"], test.label)
    with pytest.raises(UserError, match=r"ends in \.npz"):
        save_features(tmp_path / "features", train, test)


def test_mistakes_are_told():
    with pytest.raises(UserError, match="no examples"):
        extract(mean_colour, np.zeros((0, 4, 4, 3), np.uint8), batch_size=4)
    with pytest.raises(UserError, match="batch_size"):
        extract(mean_colour, make_source(), batch_size=0)
    with pytest.raises(UserError, match=r"must return features \[4, D\]"):
        extract(lambda x: jnp.zeros(()), make_source(), batch_size=4)
