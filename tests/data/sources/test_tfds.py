import pickle
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jcl.data import Source, open_source
from jcl.data.prepare.encoded import encode_png
from jcl.data.prepare.write import write_arrays, write_records
from jcl.data.sources.tfds import open_tfds
from jcl.errors import UserError


def stream(data_dir, split="train", name="small"):
    return open_tfds(
        name, split, dir=str(data_dir), image_key="image", label_key=None, in_memory_bytes=0
    )


def test_small_sets_are_decoded_once_and_large_ones_at_every_read(small_dir):
    memory = open_source("tfds:small", "train", dir=str(small_dir))
    streamed = stream(small_dir)
    assert isinstance(memory, Source)
    assert isinstance(streamed, Source)
    assert (memory.in_memory, streamed.in_memory) == (True, False)
    assert (len(memory), memory.image_shape, memory.n_classes) == (
        len(streamed),
        streamed.image_shape,
        streamed.n_classes,
    )
    indices = np.array([299, 0, 7, 7])
    expected = memory.batch(indices)
    batch = streamed.batch(indices)
    assert batch.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(batch[key], values)
        assert batch[key].dtype == values.dtype


def test_source_can_be_sent_to_workers_after_use(small_dir):
    streamed = stream(small_dir)
    before = streamed.batch(np.array([5]))
    copy = pickle.loads(pickle.dumps(streamed))
    np.testing.assert_array_equal(copy.batch(np.array([5]))["image"], before["image"])


def test_splits(small_dir, small_arrays):
    part = open_source("tfds:small", "train", dir=str(small_dir), train_split="train[:10%]")
    np.testing.assert_array_equal(part.arrays["image"], small_arrays["train"]["image"][:30])
    held_out = open_source("tfds:small", "test", dir=str(small_dir), test_split="train[290:]")
    np.testing.assert_array_equal(held_out.arrays["label"], small_arrays["train"]["label"][290:])


def test_the_newest_version_is_read(small_dir, tmp_path):
    for version in ("1.0.0", "1.2.0", "1.10.0"):
        shutil.copytree(small_dir / "small" / "1.0.0", tmp_path / "small" / version)
    assert stream(tmp_path).folder.endswith("1.10.0")
    assert stream(tmp_path, name="small:1.2.0").folder.endswith("1.2.0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "tfds:absent"}, "holds no prepared dataset 'absent'.*jcl.data.prepare"),
        ({"name": "tfds:small:9.9.9"}, "holds no prepared dataset"),
        ({"train_split": "validation"}, "'validation'.*has test, train"),
        ({"train_split": "train[:0]"}, r"'train\[:0\]'"),
        ({"train_split": "train["}, r"'train\['"),
        ({"train_split": "train[9999:]"}, "9999"),
        ({"image_key": "picture"}, r"data.image_key='picture'.*\['image'\]"),
        ({"image_key": "label"}, "data.image_key='label'"),
        ({"label_key": "class"}, r"data.label_key='class'.*\['label', 'target'\]"),
        ({"label_key": "target"}, "data.label_key='target'"),
    ],
)
def test_wrong_options(small_dir, options, message):
    options = {"name": "tfds:small", "dir": str(small_dir), **options}
    with pytest.raises(UserError, match=message) as error:
        open_source(options.pop("name"), "train", **options)
    assert "\n" not in str(error.value)


def test_unknown_to_tfds(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"tfds:no_such_set.*TFDS knows none"):
        open_source("tfds:no_such_set", "train")


def test_nothing_is_downloaded_that_could_not_be_prepared(tmp_path, monkeypatch):
    def download_and_prepare(*_, **__):
        raise AssertionError("TFDS downloads")

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download_and_prepare)
    with pytest.raises(UserError, match=r"tfds:mnist.*TensorFlow, which is not installed"):
        open_source("tfds:mnist", "train")


def copy_dataset(small_dir, tmp_path):
    shutil.copytree(small_dir, tmp_path / "copy")
    return tmp_path / "copy", tmp_path / "copy" / "small" / "1.0.0"


def test_truncated_records(small_dir, tmp_path):
    data_dir, folder = copy_dataset(small_dir, tmp_path)
    (records,) = folder.glob("small-train*")
    whole = records.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        records.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"cannot be read.*damaged"):
            stream(data_dir)
    records.unlink()
    with pytest.raises(UserError, match=r"cannot be read.*damaged"):
        stream(data_dir)


def test_changed_bytes_in_records(small_dir, tmp_path):
    data_dir, folder = copy_dataset(small_dir, tmp_path)
    (records,) = folder.glob("small-train*")
    damaged = bytearray(records.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 200] = bytes(200)
    records.write_bytes(damaged)
    with pytest.raises(UserError, match="cannot be"):
        open_source("tfds:small", "train", dir=str(data_dir))


def test_damaged_metadata(small_dir, tmp_path):
    data_dir, folder = copy_dataset(small_dir, tmp_path)
    (folder / "features.json").write_text("{")
    with pytest.raises(UserError, match="not a readable TFDS dataset"):
        stream(data_dir)


def test_other_file_formats(small_dir, tmp_path):
    data_dir, folder = copy_dataset(small_dir, tmp_path)
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "tfrecord"))
    with pytest.raises(UserError, match=r"prepared as tfrecord.*array_record"):
        stream(data_dir)


def test_labels_left_out_and_missing(small_dir, small_arrays, tmp_path):
    source = open_source("tfds:small", "train", dir=str(small_dir), label_key="none")
    assert source.n_classes is None
    assert "label" not in source.arrays
    label = small_arrays["train"]["label"].copy()
    label[[0, 7]] = -1
    image, target = (small_arrays["test"][key] for key in ("image", "target"))
    splits = {
        "train": {**small_arrays["train"], "label": label},
        "test": {"image": image, "target": target},
    }
    write_arrays(splits, name="holes", data_dir=str(tmp_path))
    train, test = (open_source("tfds:holes", s, dir=str(tmp_path)) for s in ("train", "test"))
    assert train.arrays["label"].tolist() == label.tolist()
    assert train.n_classes == test.n_classes == 5
    assert list(test.arrays) == ["image", "target"]


@pytest.mark.parametrize(
    ("feature", "train", "test", "expected", "names"),
    [
        (tfds.features.Scalar(np.int64), [900, 7, -1], [7, 80], [2, 0, -1], ("7", "80", "900")),
        (tfds.features.Scalar(np.int64), [2, 0, 1], [1, 1], [2, 0, 1], None),
        (tfds.features.Text(), ["owl", "", "a"], ["cat", "owl"], [2, -1, 0], ("a", "cat", "owl")),
    ],
)
def test_labels_that_are_not_declared_as_classes(tmp_path, feature, train, test, expected, names):
    """Numbered alike in both splits, in memory and read at every use."""
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    kind = tfds.features.Image(shape=(4, 5, 3))
    png = [encode_png(x) for x in image]
    splits = {
        split: (len(labels), [{"image": png[i], "label": y} for i, y in enumerate(labels)])
        for split, labels in (("train", train), ("test", test))
    }
    features = {"image": kind, "label": feature}
    write_records(splits, features, name="odd", data_dir=str(tmp_path), version=None)
    memory = open_source("tfds:odd", "train", dir=str(tmp_path))
    streamed = open_tfds(
        "odd",
        "train",
        dir=str(tmp_path),
        image_key="image",
        label_key=None,
        label_splits=("train", "test"),
        in_memory_bytes=0,
    )
    for source in (memory, pickle.loads(pickle.dumps(streamed))):
        batch = source.batch(np.arange(3))
        assert batch["label"].tolist() == expected
        np.testing.assert_array_equal(batch["image"], image)
        assert (source.n_classes, source.class_names) == (3, names)
    assert (memory.in_memory, streamed.in_memory) == (True, False)
