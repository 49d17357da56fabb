"""`folder:PATH`: images against the arrays that were encoded."""

import pickle

import jax
import numpy as np
import PIL.Image
import pytest
import tifffile

from jcl.data import Source, open_source
from jcl.data.dataset_shape import shape_of
from jcl.data.loader import batches
from jcl.data.order import shuffled
from jcl.data.prepare.write import write_image_folder
from jcl.data.sources import folder as folder_module
from jcl.errors import UserError
from jcl.mesh import batch_sharding, make_mesh
from tests.data.folders import save_image, save_tree

RANDOM = np.random.default_rng(0)
GREY = {"photometric": "minisblack"}  # or else tifffile takes three channels for RGB


def read(source):
    return source.batch(np.arange(len(source)))


@pytest.fixture
def photos(tmp_path):
    """A folder, and its training images in their order: of two classes and none."""
    names = ("train/b.png", "train/cat/a.png", "train/dog/ä é.bmp")
    images = [save_image(tmp_path / n, format=n[-3:], seed=i) for i, n in enumerate(names)]
    save_tree(tmp_path, "val/cat/x.png", "val/cat/y.png")
    return tmp_path, np.stack(images)


@pytest.mark.parametrize("memory", [0, 10**6])
def test_in_memory_and_read_at_every_use(photos, memory, monkeypatch):
    folder, images = photos
    monkeypatch.setattr(folder_module, "IN_MEMORY_BYTES", memory)
    train, test = (open_source(f"folder:{folder}", split) for split in ("train", "test"))
    assert isinstance(train, Source)
    assert train.in_memory == bool(memory)
    assert (len(train), len(test)) == (3, 2)
    assert (train.n_classes, train.class_names, train.image_shape) == (2, ("cat", "dog"), (5, 6, 3))
    copy = pickle.loads(pickle.dumps(train))
    batch = copy.batch(np.array([2, 0, 1, 2]))
    np.testing.assert_array_equal(batch["image"], images[[2, 0, 1, 2]])
    assert batch["label"].tolist() == [1, -1, 0, 1]
    assert read(test)["label"].tolist() == [0, 0]
    unlabelled = open_source(f"folder:{folder}", "train", label_key="none")
    assert (list(read(unlabelled)), unlabelled.n_classes) == (["image"], None)


@pytest.mark.slow  # starts processes
def test_worker_processes_read_it(photos, monkeypatch):
    folder, images = photos
    monkeypatch.setattr(folder_module, "IN_MEMORY_BYTES", 0)
    source, mesh = open_source(f"folder:{folder}", "train"), make_mesh(devices=jax.devices()[:1])
    stream = batches(
        source,
        order=shuffled(shape_of(source), batch_size=3, seed=0),
        batch_size=3,
        sharding=batch_sharding(mesh),
        start_step=0,
        stop_step=2,
        num_workers=2,
    )
    for batch in stream:
        np.testing.assert_array_equal(batch["image"], images[np.asarray(batch["index"])])
    stream.close()


def test_sizes(tmp_path):
    save_image(tmp_path / "a.png", size=(9, 7), seed=0)
    save_image(tmp_path / "b.png", size=(7, 9), seed=1)
    with pytest.raises(UserError, match=r"b\.png has the shape \(9, 7, 3\).*data\.image_size"):
        open_source(f"folder:{tmp_path}", "train")
    source = open_source(f"folder:{tmp_path}", "train", image_size=7)
    for i, box in enumerate([(1, 0, 8, 7), (0, 1, 7, 8)]):
        expected = PIL.Image.open(tmp_path / f"{'ab'[i]}.png").crop(box)
        np.testing.assert_array_equal(read(source)["image"][i], np.asarray(expected))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels(tmp_path, channels):
    grey = save_image(tmp_path / "a.png", "L")
    source = open_source(f"folder:{tmp_path}", "train", channels=channels)
    image = read(source)["image"][0]
    assert image.shape == (5, 6, channels)
    for i in range(channels):
        np.testing.assert_array_equal(image[..., i], grey if i < 3 else 255)


def test_an_address_is_no_folder():
    with pytest.raises(UserError, match=r"s3://bucket/photos' is an address.*mount it"):
        open_source("folder:s3://bucket/photos", "train")


def test_no_test_part(tmp_path):
    save_tree(tmp_path, *(f"{i}.png" for i in range(10)))
    with pytest.raises(UserError, match=r"no test or val folder.*data\.held_out"):
        open_source(f"folder:{tmp_path}", "test")
    parts = [open_source(f"folder:{tmp_path}", s, held_out=0.2) for s in ("train", "test")]
    assert [len(part) for part in parts] == [8, 2]


def test_what_cannot_be_read_is_named(tmp_path):
    save_tree(tmp_path, "a.png", "b.png")
    (tmp_path / "b.png").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"/b\.png cannot be decoded: it is not an image"):
        open_source(f"folder:{tmp_path}", "train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, r"data\.channels=2"),
        ({"image_size": 0}, r"data\.image_size=0"),
        ({"image_range": (3, 1)}, r"data\.image_range"),
        ({"label_key": "label"}, r"data\.label_key='label'.*none"),
    ],
)
def test_options_that_mean_nothing(tmp_path, options, message):
    save_tree(tmp_path, "a.png")
    with pytest.raises(UserError, match=message):
        open_source(f"folder:{tmp_path}", "train", **options)


def scaled(values, low, high):
    """By the formula, in float64."""
    return np.rint(65535 * np.clip((values.astype(np.float64) - low) / (high - low), 0, 1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32"])
@pytest.mark.parametrize("channels", [1, 4, 32])
def test_scientific_images(tmp_path, dtype, channels):
    """Every bit and channel of TIFF files, whether channels come first or last, or as pages."""
    values = RANDOM.uniform(-50 if dtype[0] != "u" else 0, 255, (3, 7, 9, channels)).astype(dtype)
    first = np.moveaxis(values, -1, 1)
    tifffile.imwrite(tmp_path / "a.tif", values[0], **GREY, metadata={"axes": "YXC"})
    tifffile.imwrite(tmp_path / "b.tif", first[1], **GREY, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "c.tif", first[2], **GREY, compression="zlib")
    source = open_source(f"folder:{tmp_path}", "train", image_range=(10, 200))
    assert source.image_shape == (7, 9, channels)
    image = read(source)["image"]
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, scaled(values, 10, 200))
    if channels == 4:
        with pytest.raises(UserError, match="it has 4 channels, but others have 3"):
            open_source(f"folder:{tmp_path}", "train", image_range=(10, 200), channels=3)


def test_losing_bits_is_said(tmp_path, caplog):
    PIL.Image.fromarray(np.full((5, 6), 4095, np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(open_source(f"folder:{tmp_path}", "train"))["image"], 15)
    assert "a.png: of 16 bits the upper 8 are kept" in caplog.text
    write_image_folder(str(tmp_path), name="dark", data_dir=str(tmp_path))
    assert "1 of 1 images: of 16 bits the upper 8 are kept" in caplog.text


def test_sixteen_bits_of_grey_png_and_lzw(tmp_path):
    values = RANDOM.integers(0, 65536, (5, 6), np.uint16)
    PIL.Image.fromarray(values).save(tmp_path / "a.png")
    PIL.Image.fromarray(values).save(tmp_path / "b.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "c.tif", values)
    source = open_source(f"folder:{tmp_path}", "train", image_range=(0, 65535))
    np.testing.assert_array_equal(read(source)["image"], np.stack([values] * 3)[..., None])


def test_scientific_images_are_cut_and_resized_in_all_their_bits(tmp_path):
    """As 8-bit images are, but for rounding; of a plane it is the plane."""
    y, x = np.mgrid[:40, :60]
    plane = (100 * x + 7 * y).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", plane)
    source = open_source(f"folder:{tmp_path}", "train", image_range=(0, 65535), image_size=20)
    expected = 100 * (10 + 2 * x[:20, :20] + 0.5) + 7 * (2 * y[:20, :20] + 0.5)
    inner = (slice(2, -2),) * 2
    image = read(source)["image"][0, ..., 0]
    assert np.abs(image - expected)[inner].max() <= 0.5 + 1e-3
    cut = open_source(f"folder:{tmp_path}", "train", image_range=(0, 65535), image_size=40)
    np.testing.assert_array_equal(read(cut)["image"][0, ..., 0], plane[:, 10:50])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.png", lambda p: PIL.Image.new("P", (4, 4)).save(p), "save it as TIFF"),
        ("a.tif", lambda p: tifffile.imwrite(p, np.zeros((33, 4, 5)), **GREY), "33 channels"),
        ("a.tif", lambda p: tifffile.imwrite(p, np.full((4, 5), np.nan)), "not finite"),
        ("a.tif", lambda p: tifffile.imwrite(p, np.zeros((4, 5), np.complex64)), "complex64"),
    ],
)
def test_what_has_no_range(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name} cannot be decoded: .*{message}"):
        open_source(f"folder:{tmp_path}", "train", image_range=(0, 1))
