"""`data.image_size`: decoding to one size, and datasets of mixed sizes that need it."""

import io

import numpy as np
import PIL.Image
import pytest

from jcl.data import open_source
from jcl.data.prepare import write
from jcl.data.sources.decode import decode_image
from jcl.data.sources.tfds import open_tfds
from jcl.errors import UserError

BICUBIC = PIL.Image.Resampling.BICUBIC


def noise(width, height, mode="RGB", seed=0):
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    values = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return PIL.Image.fromarray(values)


def smooth(width, height, phase=0.0):
    """Some five waves each way, so that no resizing makes them too fine."""
    y, x = np.mgrid[:height, :width] * (30 / min(width, height))
    waves = [np.sin(x + y / 5 + phase), np.cos(x / 2 - y + phase), np.sin(y / 2 + phase)]
    return PIL.Image.fromarray((127.5 + 120 * np.stack(waves, -1)).astype(np.uint8))


def encode(image, format="png", **options):
    encoded = io.BytesIO()
    image.save(encoded, format, **options)
    return encoded.getvalue()


def resize_then_crop(image, size):
    """By the words: the whole image first, then the centre square; never a reduced JPEG."""
    image.load()
    short = min(image.size)
    width, height = (round(length * size / short) for length in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    return np.asarray(
        image.resize((width, height), BICUBIC).crop((left, top, left + size, top + size))
    )


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(96, 64, 32), (64, 96, 32), (150, 90, 30), (48, 32, 64), (32, 48, 32), (64, 64, 16)],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_png_is_resized_by_its_shorter_side_and_cut(width, height, size, mode):
    image = noise(width, height, mode)
    expected = resize_then_crop(image, size).reshape(size, size, len(mode))
    actual = decode_image(encode(image), channels=len(mode), image_size=size)
    np.testing.assert_array_equal(actual, expected)


def test_cut_at_whole_pixels_where_only_the_longer_side_differs():
    image = noise(301, 256)
    actual = decode_image(encode(image), channels=3, image_size=256)
    np.testing.assert_array_equal(actual, np.asarray(image)[:, 22:278])


@pytest.mark.parametrize("format", ["png", "jpeg"])
@pytest.mark.parametrize("size", [8, 16, 64])
def test_an_image_of_the_size_is_untouched(format, size):
    encoded = encode(noise(size, size), format)
    np.testing.assert_array_equal(
        decode_image(encoded, channels=3, image_size=size), decode_image(encoded, channels=3)
    )


@pytest.mark.parametrize(
    ("width", "height", "size", "decoded"),
    [
        (501, 375, 64, (126, 94)),  # a quarter, and a last column that is only partly the image's
        (375, 501, 128, (188, 251)),
        (500, 375, 256, (500, 375)),  # a half would be too small
        (960, 480, 60, None),  # an eighth is the size already
        (1000, 480, 60, (125, 60)),  # likewise, but the square starts at 32.5
    ],
)
def test_jpeg_is_decoded_no_larger_than_needed(width, height, size, decoded, monkeypatch):
    sizes = []

    def resize(image, *args, **kwargs):
        sizes.append(image.size)
        return original(image, *args, **kwargs)

    original = PIL.Image.Image.resize
    encoded = encode(smooth(width, height), "jpeg", quality=95)
    whole = encode(PIL.Image.open(io.BytesIO(encoded)))  # a PNG cannot be decoded reduced
    expected = decode_image(whole, channels=3, image_size=size).astype(int)
    monkeypatch.setattr(PIL.Image.Image, "resize", resize)
    actual = decode_image(encoded, channels=3, image_size=size)
    assert sizes == ([decoded] if decoded else [])
    # Two ways of averaging. A shift of one of them by half a pixel would make 2 to 11.
    assert np.abs(actual - expected).mean() < 1


@pytest.mark.parametrize("format", ["png", "jpeg"])
@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (333, 201), (70, 60)])
def test_a_square_in_the_centre_stays_square_in_the_centre(format, width, height):
    """A quarter of the shorter side to each side of the centre, whatever the longer side."""
    quarter = min(width, height) // 4
    image = PIL.Image.new("L", (width, height))
    x, y = width // 2, height // 2
    image.paste(255, (x - quarter, y - quarter, x + quarter, y + quarter))
    small = decode_image(encode(image, format, quality=95), channels=1, image_size=64)[..., 0]
    weight = small / 255.0
    rows, columns = weight.sum(1), weight.sum(0)
    assert rows.max() == pytest.approx(32, abs=0.8)
    assert columns.max() == pytest.approx(32, abs=0.8)
    for profile in (rows, columns):
        centre = (profile * (np.arange(64) + 0.5)).sum() / profile.sum()
        assert centre == pytest.approx(32, abs=0.3)


def test_palettes_and_grey_files_are_converted_before_they_are_resized():
    picture = smooth(60, 40)
    palette = picture.quantize(16)
    actual = decode_image(encode(palette), channels=3, image_size=20)
    np.testing.assert_array_equal(actual, resize_then_crop(palette.convert("RGB"), 20))
    grey = decode_image(encode(picture.convert("L"), "jpeg"), channels=3, image_size=20)
    assert grey.shape == (20, 20, 3)
    assert np.ptp(grey, axis=-1).max() == 0


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """tfds:photos of PNG and JPEG files, portrait and landscape, larger and smaller than 48."""
    folder = tmp_path_factory.mktemp("photos")
    sizes = [(96, 72), (72, 96), (48, 48), (30, 20), (198, 108), (49, 48)]
    for split in ("train", "test"):
        for i, (width, height) in enumerate(sizes):
            format = ("png", "jpeg")[i % 2]
            path = folder / split / ("cat", "dog")[i // 3] / f"{i}.{format}"
            path.parent.mkdir(parents=True, exist_ok=True)
            smooth(width, height, phase=i).save(path, format)
    write.write_image_folder(str(folder), name="photos", data_dir=str(folder / "data"))
    return folder


def open_streamed(photos, **options):
    return open_tfds(
        "photos",
        "train",
        dir=str(photos / "data"),
        image_key="image",
        label_key=None,
        **options,
    )


def test_mixed_sizes_in_memory_and_streamed(photos):
    memory = open_source("tfds:photos", "train", dir=str(photos / "data"), image_size=48)
    streamed = open_streamed(photos, image_size=48, in_memory_bytes=0)
    assert (memory.in_memory, streamed.in_memory) == (True, False)
    assert memory.image_shape == streamed.image_shape == (48, 48, 3)
    assert memory.arrays["label"].tolist() == [0, 0, 0, 1, 1, 1]
    indices = np.array([5, 0, 1, 2, 3, 4, 4])
    np.testing.assert_array_equal(streamed.batch(indices)["image"], memory.arrays["image"][indices])
    files = sorted((photos / "train").glob("*/*"))
    for image, path in zip(memory.arrays["image"], files, strict=True):
        expected = resize_then_crop(PIL.Image.open(path), 48)
        assert np.abs(image - expected.astype(int)).max() <= 1, path
    np.testing.assert_array_equal(memory.arrays["image"][2], np.asarray(PIL.Image.open(files[2])))


def test_memory_is_that_of_the_final_size(photos):
    needed = 6 * 16 * 16 * 3
    assert open_streamed(photos, image_size=16, in_memory_bytes=needed).in_memory
    assert not open_streamed(photos, image_size=16, in_memory_bytes=needed - 1).in_memory


def test_mixed_sizes_without_image_size_are_refused(photos):
    with pytest.raises(UserError, match=r"\(96, 72, 3\).*\(72, 96, 3\).*data\.image_size") as error:
        open_streamed(photos)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"data\.image_size"):
        open_streamed(photos, in_memory_bytes=0).batch(np.arange(6))


def test_one_size_can_be_brought_to_another(small_dir, small_arrays):
    source = open_source("tfds:small", "train", dir=str(small_dir), image_size=14)
    assert source.image_shape == (14, 14, 3)
    expected = resize_then_crop(PIL.Image.fromarray(small_arrays["train"]["image"][7]), 14)
    np.testing.assert_array_equal(source.arrays["image"][7], expected)
