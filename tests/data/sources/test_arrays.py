import numpy as np
import pytest

from jcl.data import Source, open_source
from jcl.errors import UserError

IMAGE = np.arange(2 * 4 * 3 * 3, dtype=np.uint8).reshape(2, 4, 3, 3)
FEATURES = np.array([[1.0, 2.0], [3.0, 4.0]])


def save(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return path


def test_images(tmp_path):
    path = save(
        tmp_path,
        train_image=IMAGE,
        train_label=np.array([1, 0], np.uint8),
        train_target=np.array([1, 2]),
        test_image=IMAGE[:1],
        test_label=np.array([6]),
    )
    train, test = (open_source(f"arrays:{path}", split) for split in ("train", "test"))
    assert isinstance(train, Source)
    assert (len(train), len(test)) == (2, 1)
    assert train.image_shape == test.image_shape == (4, 3, 3)
    assert train.n_classes == test.n_classes == 7
    batch = train.batch(np.array([1, 0, 1]))
    np.testing.assert_array_equal(batch["image"], IMAGE[[1, 0, 1]])
    assert {k: v.dtype.name for k, v in batch.items()} == {
        "image": "uint8",
        "label": "int32",
        "target": "float32",
    }
    assert batch["label"].tolist() == [0, 1, 0]


def test_features_without_labels(tmp_path):
    path = save(tmp_path, train_features=FEATURES)
    train = open_source(f"arrays:{path}", "train")
    assert train.image_shape is None
    assert train.n_classes is None
    batch = train.batch(np.array([1]))
    assert list(batch) == ["features"]
    assert batch["features"].dtype == np.float32
    with pytest.raises(UserError, match="test_"):
        open_source(f"arrays:{path}", "test")


def test_any_other_key_is_handed_on_by_its_name(tmp_path):
    given = {
        "image": IMAGE,
        "features": FEATURES,
        "text": np.array([[3, 0], [5, 1]]),
        "text_mask": np.array([[True, False], [True, True]]),
        "labels": np.array([[1, 0, 1], [0, 0, 1]], np.uint8),
        "weight": np.array([1, 2]),
        "group": np.array([7, 7], np.uint8),
        "clip": np.zeros((2, 2, 4, 4, 3), np.uint8),
    }
    path = save(tmp_path, **{f"train_{key}": value for key, value in given.items()})
    batch = open_source(f"arrays:{path}", "train").batch(np.array([1, 0]))
    for key, value in given.items():
        np.testing.assert_array_equal(batch[key], value[::-1])
    kinds = {key: value.dtype.name for key, value in batch.items()}
    assert kinds == {
        **dict.fromkeys(("image", "labels", "clip"), "uint8"),
        **dict.fromkeys(("features", "weight"), "float32"),
        **dict.fromkeys(("text", "group"), "int32"),
        "text_mask": "bool",
    }


@pytest.mark.parametrize("texts", [["é", "ab"], [["é", ""], ["a", "b"]]])
def test_texts_that_are_strings_stay_strings(tmp_path, texts):
    path = save(tmp_path, train_text=np.array(texts), train_label=np.array([1, 0]))
    train = open_source(f"arrays:{path}", "train")
    assert train.image_shape is None
    batch = train.batch(np.array([1, 0]))
    assert batch["text"].tolist() == train.texts(np.array([1, 0])).tolist() == texts[::-1]


OBJECTS = np.array([{}, None], dtype=object)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "empty"),
        ({"x_train": FEATURES}, "'x_train'"),
        ({"train_image": IMAGE.astype(np.int32)}, "'train_image' is int32.*uint8"),
        ({"train_image": IMAGE[0]}, r"'train_image' is uint8\[4, 3, 3\]"),
        ({"train_features": FEATURES.astype(int)}, "'train_features' is int64"),
        ({"train_features": FEATURES[0]}, "'train_features'"),
        ({"train_features": FEATURES * np.nan}, "'train_features'.*finite"),
        ({"train_features": FEATURES * 1e300}, "'train_features'.*finite"),
        ({"train_text": np.array([[0], [2**31]])}, "'train_text'.*int32"),
        ({"train_text": np.array([b"a", b"b"])}, r"'train_text'.*strings \[n\] or \[n, K\], or"),
        ({"train_text": np.array([[["a"]]])}, r"'train_text'.*strings \[n\] or \[n, K\], or"),
        ({"train_text": np.array([0.5])}, "'train_text'.*or integer token ids"),
        ({"train_name": np.array(["a", "b"])}, "'train_name'.*numbers or booleans"),
        ({"train_features": FEATURES, "train_labels": np.zeros((2, 3))}, "'train_labels'.*uint8"),
        ({"train_features": FEATURES, "train_weight": np.array([1, np.nan])}, "'train_weight'"),
        ({"train_features": FEATURES, "train_group": np.array([0.5, 1])}, "'train_group'.*integer"),
        ({"train_label": np.array([0, 1])}, "networks could see"),
        ({"train_features": FEATURES, "train_label": np.array([0, -1])}, "'train_label'"),
        ({"train_features": FEATURES, "train_label": np.array([0.0, 1])}, "'train_label'"),
        ({"train_features": FEATURES, "train_label": np.array([[0], [1]])}, "'train_label'"),
        ({"train_features": FEATURES, "train_label": np.array([0, 2**31])}, "'train_label'"),
        ({"train_features": FEATURES, "train_label": np.array([0])}, "different lengths"),
        ({"train_features": FEATURES, "train_target": np.array([0, np.inf])}, "'train_target'"),
        ({"train_features": FEATURES, "train_target": np.array(["a", "b"])}, "'train_target'"),
        ({"train_features": FEATURES, "train_label": OBJECTS}, "'train_label' is unreadable"),
        ({"train_features": FEATURES[:0]}, "no examples"),
        ({"train_features": FEATURES, "test_features": FEATURES[:, :1]}, "different shapes"),
        ({"train_features": FEATURES, "test_image": IMAGE}, "no test_features"),
    ],
)
def test_bad_arrays_name_file_and_key(tmp_path, arrays, message):
    path = save(tmp_path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        open_source(f"arrays:{path}", "train")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_archives(tmp_path):
    path = save(tmp_path, train_image=np.zeros((50, 32, 32, 3), np.uint8))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    np.save(tmp_path / "array.npy", FEATURES)
    contents = {
        "truncated": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
        "empty": b"",
        "text": b"hello",
        "npy": (tmp_path / "array.npy").read_bytes(),
    }
    for name, content in contents.items():
        file = tmp_path / f"{name}.npz"
        file.write_bytes(content)
        with pytest.raises(UserError, match=str(file)):
            open_source(f"arrays:{file}", "train")
    with pytest.raises(UserError, match=r"missing\.npz does not exist"):
        open_source(f"arrays:{tmp_path}/missing.npz", "train")
