import gzip

import numpy as np
import pytest

from jcl.data.prepare.idx import read_idx, read_idx_folder
from jcl.errors import UserError
from tests.data.idx_files import encode

IMAGES = np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4)
LABELS = np.array([7, 0, 255], np.uint8)


def write(folder, **replace):
    contents = {
        "train-images-idx3-ubyte": encode(IMAGES),
        "train-labels-idx1-ubyte": encode(LABELS),
        "t10k-images-idx3-ubyte.gz": gzip.compress(encode(IMAGES[:2])),
        "t10k-labels-idx1-ubyte.gz": gzip.compress(encode(LABELS[:2])),
    }
    contents.update({k.replace("_", "-"): v for k, v in replace.items()})
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return str(folder)


def test_folder_gzipped_or_not(tmp_path):
    splits = read_idx_folder(write(tmp_path))
    np.testing.assert_array_equal(splits["train"]["image"], IMAGES[..., None])
    np.testing.assert_array_equal(splits["train"]["label"], LABELS)
    np.testing.assert_array_equal(splits["test"]["image"], IMAGES[:2, ..., None])
    assert splits["test"]["label"].dtype == np.int32


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with nothing"),
        (b"\x00\x00\x08", "begins with 00 00 08"),
        (encode(LABELS), "begins with 00 00 08 01, not 00 00 08 03"),
        (b"\x00\x00\x0d" + encode(IMAGES)[3:], "begins with 00 00 0d 03"),
        (encode(IMAGES)[:10], "not an IDX file"),
        (encode(IMAGES)[:-1], "holds 59 values, but its header says 3x5x4"),
        (encode(IMAGES) + b"x", "holds 61 values"),
        (gzip.compress(encode(IMAGES))[:-12], "cannot be read"),
        (b"\x1f\x8b" + b"garbage" * 9, "cannot be read"),
    ],
    # Bytes make poor names, and gzip writes the time into its header.
    ids=(
        "empty",
        "three bytes",
        "labels",
        "not bytes",
        "header cut short",
        "data cut short",
        "data too long",
        "gzip cut short",
        "not gzip",
    ),
)
def test_damaged_files(tmp_path, data, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message) as error:
        read_idx(path, rank=3)
    assert str(path) in str(error.value)


def test_missing_and_unequal_files(tmp_path):
    with pytest.raises(UserError, match="neither train-images-idx3-ubyte nor"):
        read_idx_folder(str(tmp_path))
    write(tmp_path, train_labels_idx1_ubyte=encode(LABELS[:2]))
    with pytest.raises(UserError, match="3 train images but 2 labels"):
        read_idx_folder(str(tmp_path))
