import jax.numpy as jnp
import numpy as np
import pytest

from jcl.augment.image import examples_as_floats
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


@pytest.mark.parametrize("channels", [1, 2, 5, 32])
@pytest.mark.parametrize("dtype", ["uint16", "float32", "int16", "uint8"])
def test_images_of_a_stated_range(tmp_path, channels, dtype):
    """0 and 65535 are the ends of the range, and what lies beyond; in between by the formula."""
    values = np.random.default_rng(0).uniform(-20, 300, (3, 40, 33, channels))
    values = np.clip(values, 0, 255).astype(dtype) if dtype == "uint8" else values.astype(dtype)
    values = np.abs(values) if dtype == "uint16" else values
    path = save(tmp_path, train_image=values)
    source = open_source(f"arrays:{path}", "train", image_range=(10, 200))
    assert source.image_shape == (40, 33, channels)
    image = source.batch(np.arange(3))["image"]
    expected = np.rint(65535 * np.clip((values.astype(np.float64) - 10) / 190, 0, 1))
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, expected)
    shown = np.asarray(examples_as_floats({"image": jnp.asarray(image)})["image"])
    np.testing.assert_allclose(shown, expected / 65535, rtol=1e-6)


def test_sixteen_bits_lose_nothing(tmp_path):
    values = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256)
    path = save(tmp_path, train_image=values)
    source = open_source(f"arrays:{path}", "train", image_range=(0, 65535))
    np.testing.assert_array_equal(source.batch(np.arange(1))["image"], values[..., None])


def test_grey_images_and_masks_without_a_channel_axis(tmp_path):
    grey, mask = IMAGE.reshape(2, 4, 9), IMAGE.reshape(2, 4, 9) > 5
    for given, expected in ((grey, grey), (mask, 255 * mask)):
        path = save(tmp_path, train_image=given)
        source = open_source(f"arrays:{path}", "train")
        np.testing.assert_array_equal(source.batch(np.arange(2))["image"][..., 0], expected)


@pytest.mark.parametrize("given", [(1,), (5, 5), (9, 3), (0, np.inf)])
def test_ranges_that_mean_nothing(tmp_path, given):
    with pytest.raises(UserError, match=r"data\.image_range="):
        open_source(f"arrays:{save(tmp_path, train_image=IMAGE)}", "train", image_range=given)


def test_a_range_of_features_or_with_values_that_are_no_numbers(tmp_path):
    path = save(tmp_path, train_features=FEATURES)
    with pytest.raises(UserError, match="holds no images"):
        open_source(f"arrays:{path}", "train", image_range=(0, 1))
    path = save(tmp_path, train_image=np.full((2, 4, 4, 3), np.nan))
    with pytest.raises(UserError, match=r"'train_image', image 0: .*not finite"):
        open_source(f"arrays:{path}", "train", image_range=(0, 1))


def test_label_key(tmp_path):
    given = {"train_features": FEATURES, "train_label": np.array([1, 0]), "train_y": [5, 4]}
    path = save(tmp_path, **given)
    for key, label in ((None, [1, 0]), ("label", [1, 0]), ("y", [5, 4])):
        batch = open_source(f"arrays:{path}", "train", label_key=key).batch(np.arange(2))
        assert batch["label"].tolist() == label
        assert ("y" in batch) == (key != "y")
    source = open_source(f"arrays:{path}", "train", label_key="none")
    assert source.n_classes is None
    assert "label" not in source.batch(np.arange(2))
    with pytest.raises(UserError, match=r"data\.label_key='z' is given, but .* has the keys"):
        open_source(f"arrays:{path}", "train", label_key="z")


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
        (
            {"train_image": IMAGE.astype(np.int32)},
            "'train_image' is int32.*uint8.*image_range",
        ),
        ({"train_image": IMAGE[0]}, r"'train_image' is uint8\[4, 3, 3\].*one image is"),
        ({"train_image": IMAGE / 255}, "float64.*from 0 to .*data.image_range"),
        ({"train_image": np.zeros((2, 3, 32, 32), np.uint8)}, r"\[n, C, H, W\].*transpose"),
        ({"train_image": np.zeros((2, 1, 28, 28), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"train_image": np.zeros((2, 13, 64, 64), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"train_image": np.zeros((2, 8, 32, 32), np.uint8)}, r"transpose\(0, 2, 3, 1\)"),
        ({"train_image": np.zeros((2, 40, 40, 33), np.uint8)}, "1 to 32 channels"),
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
        ({"train_label": np.array([0, 1])}, "no input for networks"),
        ({"train_features": FEATURES, "train_label": np.array([0.5, 1])}, "'label'.*a target"),
        ({"train_features": FEATURES, "train_label": np.array([[0, 2], [1, 0]])}, "'label'.*0 and"),
        ({"train_features": FEATURES, "train_label": np.zeros((2, 1, 1))}, "'label' is float64"),
        ({"train_features": FEATURES, "train_label": np.array([0])}, "different lengths"),
        ({"train_features": FEATURES, "train_target": np.array([0, np.inf])}, "'train_target'"),
        ({"train_features": FEATURES, "train_target": np.array(["a", "b"])}, "'train_target'"),
        (
            {"train_features": FEATURES, "train_label": OBJECTS},
            "'train_label' is unread.*astype",
        ),
        ({"train_image": OBJECTS}, "'train_image' is unread.*folder:PATH"),
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
