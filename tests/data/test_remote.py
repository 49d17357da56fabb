"""jcl/data/remote.py: data in object stores, against moto's S3."""

import contextlib
import pathlib

import numpy as np
import pytest

from jcl.data import open_source
from jcl.data.remote import local_data_dir, opened
from jcl.errors import UserError

BUCKET = "s3://bucket"


@pytest.fixture(scope="module")
def store():
    """An S3 in this process, and a file system of its bucket."""
    s3fs = pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for key, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(key, value)
        files = s3fs.S3FileSystem(use_listings_cache=False)
        files.mkdir(BUCKET)
        yield files
    server.stop()


@pytest.mark.slow
def test_an_archive_is_read_from_s3(store, tmp_path):
    image = np.random.RandomState(0).randint(0, 256, (6, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "x.npz", train_image=image, test_image=image[:2])
    store.put(str(tmp_path / "x.npz"), f"{BUCKET}/data/x.npz")
    source = open_source(f"arrays:{BUCKET}/data/x.npz", "train")
    np.testing.assert_array_equal(source.batch(np.arange(6))["image"], image)
    with pytest.raises(UserError, match=f"{BUCKET}/data/y.npz does not exist"):
        open_source(f"arrays:{BUCKET}/data/y.npz", "train")
    with pytest.raises(UserError, match=r"s3://absent/x.npz (does not exist|cannot be read)"):
        open_source("arrays:s3://absent/x.npz", "train")


@pytest.mark.slow
def test_a_prepared_dataset_is_copied_once_and_again_where_it_changed(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = "dataset_info.json", "x-train.array_record"
    for name in names:
        store.pipe(f"{BUCKET}/tfds/photos/1.0.0/{name}", name.encode())
    store.pipe(f"{BUCKET}/tfds/others/1.0.0/{names[0]}", b"not asked for")
    copy = local_data_dir(f"{BUCKET}/tfds/", "photos")
    folder = tmp_path / "cache" / "jcl" / "data"
    files = {path.name: path for path in folder.rglob("1.0.0/*")}
    assert str(files[names[1]]) == f"{copy}/photos/1.0.0/{names[1]}"
    assert [files[name].read_bytes() for name in names] == [name.encode() for name in names]
    assert len(files) == 2

    store.pipe(f"{BUCKET}/tfds/photos/1.0.0/{names[1]}", b"new records")
    files[names[0]].write_text("ours")
    assert local_data_dir(f"{BUCKET}/tfds", "photos") == copy
    assert files[names[1]].read_bytes() == b"new records"
    assert files[names[0]].read_text() == "ours"  # that had not changed there
    with pytest.raises(UserError, match=r"data.dir='s3.*tfds' is given, but it holds no .*'gone'"):
        local_data_dir(f"{BUCKET}/tfds", "gone")


def test_what_is_on_this_machine_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert opened("~/x.npz") == "/home/somebody/x.npz"
    assert local_data_dir("somewhere", "photos") == "somewhere"
    assert local_data_dir(None, "photos") is None


def test_a_store_that_nobody_knows_is_a_sentence():
    with pytest.raises(UserError, match=r"xyz://a/b.npz cannot be read \(ValueError: .*xyz"):
        opened("xyz://a/b.npz")


def test_a_copy_that_was_killed_goes_on(tmp_path, monkeypatch):
    """Killed while the list of copied files is written, which must not be left half."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("dataset_info.json", "x-train.array_record"):
        fsspec.filesystem("memory").pipe(f"/tfds/photos/1.0.0/{name}", name.encode())

    def killed(path, text):
        path.open("w").write(text[: len(text) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(pathlib.Path, "write_text", killed)
        local_data_dir("memory://tfds", "photos")
    copy = local_data_dir("memory://tfds", "photos")
    names = sorted(path.name for path in pathlib.Path(copy).rglob("1.0.0/*"))
    assert names == ["dataset_info.json", "x-train.array_record"]


def test_a_version_that_was_withdrawn_is_not_read(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = fsspec.filesystem("memory")
    for place in ("photos/1.0.0", "photos/1.0.1", "photos2/1.0.0"):
        store.pipe(f"/withdrawn/{place}/dataset_info.json", b"{}")
    for name in ("photos", "photos2"):
        copy = local_data_dir("memory://withdrawn", name)
    store.rm("/withdrawn/photos/1.0.1", recursive=True)
    assert local_data_dir("memory://withdrawn", "photos") == copy
    found = sorted(path.parent for path in pathlib.Path(copy).rglob("dataset_info.json"))
    assert [str(path.relative_to(copy)) for path in found] == ["photos/1.0.0", "photos2/1.0.0"]
