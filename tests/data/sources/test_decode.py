"""Pixels of files of every kind, against the arrays that were encoded."""

import io
import struct
import zlib

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from jcl.data.sources import image_file
from jcl.data.sources.decode import decode_image, orientation, oriented_size
from jcl.data.sources.image_file import open_image

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (5, 6), np.uint8)
COLOUR = RANDOM.integers(0, 256, (5, 6, 3), np.uint8)
ALPHA = RANDOM.integers(0, 256, (5, 6), np.uint8)
DEEP = np.linspace(0, 65535, 30).astype(np.uint16).reshape(5, 6)


def encode(image, format="png", **options):
    image = image if isinstance(image, PIL.Image.Image) else PIL.Image.fromarray(image)
    encoded = io.BytesIO()
    image.save(encoded, format, **options)
    return encoded.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_16_bits(values):
    """A PNG of 16-bit grey, grey with alpha, RGB or RGBA, which Pillow cannot write."""
    height, width = values.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[values[0, 0].size]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def on_white(values, alpha):
    """By the formula, in float64, rounded."""
    share = (alpha / 255.0).reshape(alpha.shape + (1,) * (values.ndim - alpha.ndim))
    return np.rint(values * share + 255 * (1 - share)).astype(np.uint8)


def of_palette():
    """A palette of four colours, the third of which is transparent, and what it shows."""
    colours = np.array([[10, 20, 30], [200, 0, 7], [9, 9, 9], [255, 255, 0]], np.uint8)
    index = (np.arange(30) % 4).astype(np.uint8).reshape(5, 6)
    image = PIL.Image.frombytes("P", (6, 5), index.tobytes())
    image.putpalette(colours.tobytes())
    shown = colours[index]
    shown[index == 2] = 255
    return encode(image, transparency=2), shown


def cases():
    """Name, file, and what it shows in RGB."""
    rgb = np.repeat(GREY[..., None], 3, -1)
    yield "1", encode(PIL.Image.fromarray(GREY > 127)), np.where(rgb > 127, 255, 0)
    yield "L", encode(GREY), rgb
    yield "LA", encode(np.dstack([GREY, ALPHA])), on_white(rgb, ALPHA)
    yield "P", *of_palette()
    yield "RGB", encode(COLOUR), COLOUR
    yield "RGBA", encode(np.dstack([COLOUR, ALPHA])), on_white(COLOUR, ALPHA)
    # One colour of RGB, and one grey, that a PNG may say is transparent.
    key = tuple(int(x) for x in COLOUR[2, 3])
    keyed = np.where((key == COLOUR).all(-1, keepdims=True), 255, COLOUR)
    yield "RGB with tRNS", encode(COLOUR, transparency=key), keyed
    grey_key = int(GREY[1, 1])
    yield "L with tRNS", encode(GREY, transparency=grey_key), np.where(rgb == grey_key, 255, rgb)
    upper = np.repeat((DEEP >> 8)[..., None], 3, -1)
    yield "I;16", encode(DEEP), upper
    yield "I;16 by TIFF", encode(DEEP, "tiff"), upper
    yield "16-bit PGM", b"P5 6 5 65535 " + DEEP.astype(">u2").tobytes(), upper
    deep = (COLOUR.astype(np.uint16) << 8) + 255 - COLOUR
    yield "16-bit RGB", png_of_16_bits(deep), COLOUR
    faint = (ALPHA.astype(np.uint16) << 8) + 99
    yield "16-bit RGBA", png_of_16_bits(np.dstack([deep, faint])), on_white(COLOUR, ALPHA)
    deep_grey = (GREY.astype(np.uint16) << 8) + 77
    yield "16-bit LA", png_of_16_bits(np.dstack([deep_grey, faint])), on_white(rgb, ALPHA)
    ink = RANDOM.integers(0, 256, (5, 6, 4), np.uint8)
    paper = (255 - ink[..., :3].astype(int)) * (255 - ink[..., 3:].astype(int)) / 255
    cmyk = PIL.Image.frombytes("CMYK", (6, 5), ink.tobytes())
    yield "CMYK", encode(cmyk, "tiff"), np.rint(paper)
    for format in ("bmp", "tga", "ppm", "tiff", "pcx", "sgi", "dib"):
        yield format, encode(COLOUR, format), COLOUR
    yield "webp", encode(COLOUR, "webp", lossless=True), COLOUR
    yield "jpeg2000", encode(COLOUR, "jpeg2000"), COLOUR
    frames = [PIL.Image.fromarray(x) for x in (GREY, 255 - GREY)]
    yield "gif", encode(frames[0], "gif", save_all=True, append_images=frames[1:]), rgb


CASES = list(cases())


@pytest.mark.parametrize(("encoded", "shown"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_what_a_file_shows(encoded, shown):
    """In RGB; and in grey where it is grey; CMYK may round otherwise."""
    actual = decode_image(encoded, channels=3)
    assert actual.dtype == np.uint8
    exact = b"CMYK" not in encoded and open_image(encoded).mode != "CMYK"
    np.testing.assert_allclose(actual, shown, atol=0 if exact else 1)
    if (shown == shown[..., :1]).all():
        np.testing.assert_array_equal(decode_image(encoded, channels=1)[..., 0], shown[..., 0])
    # Resizing comes after: what is transparent has no colour to blend with its neighbours'.
    small = decode_image(encoded, channels=3, image_size=3)
    box = (0, 0, 5, 5)
    square = PIL.Image.fromarray(actual).resize((3, 3), PIL.Image.Resampling.BICUBIC, box=box)
    np.testing.assert_array_equal(small, np.asarray(square))


def test_cmyk_photographs():
    """As Photoshop saves them, with all numbers inverted, which a marker says."""
    ink = PIL.Image.new("CMYK", (16, 16), (10, 200, 30, 40))
    encoded = encode(ink, "jpeg", quality=100)
    assert b"Adobe" in encoded
    paper = [(255 - x) * (255 - 40) / 255 for x in (10, 200, 30)]
    assert np.abs(decode_image(encoded, channels=3) - np.array(paper)).max() <= 2


def test_transparency_is_kept_where_it_is_asked_for():
    rgba = np.dstack([COLOUR, ALPHA])
    np.testing.assert_array_equal(decode_image(encode(rgba), channels=4), rgba)
    opaque = decode_image(encode(COLOUR), channels=4)
    np.testing.assert_array_equal(opaque, np.dstack([COLOUR, np.full_like(ALPHA, 255)]))


# By the EXIF standard: what row 0 and column 0 of the file are to the eye, and so what to do.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, 1),
}


@pytest.mark.parametrize("turn", UPRIGHT)
@pytest.mark.parametrize("format", ["png", "tiff", "webp", "jpeg"])
def test_orientations(turn, format):
    """Whole, cut, and resized; of a JPEG also where it is decoded at a fraction of its size."""
    y, x = np.mgrid[:40, :61]
    picture = np.stack([4 * x, 6 * y, 3 * (x + y) // 2], -1).clip(0, 255).astype(np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = turn
    lossless = {"webp": {"lossless": True}, "jpeg": {"quality": 100, "subsampling": 0}}
    encoded = encode(picture, format, exif=exif, **lossless.get(format, {}))
    plain = encode(picture, format, **lossless.get(format, {}))
    upright = UPRIGHT[turn](decode_image(plain, channels=3))
    if format != "jpeg":
        np.testing.assert_array_equal(upright, UPRIGHT[turn](picture))
    np.testing.assert_array_equal(decode_image(encoded, channels=3), upright)
    with open_image(encoded) as image:
        assert oriented_size(image) == upright.shape[1::-1]
    height, width = upright.shape[:2]
    top, left = (height - 40) // 2, (width - 40) // 2
    cut = decode_image(encoded, channels=3, image_size=40)
    np.testing.assert_array_equal(cut, upright[top : top + 40, left : left + 40])
    box = (left, top, left + 40, top + 40)
    for size in (24, 9):  # a JPEG at the whole size and at a quarter
        small = decode_image(encoded, channels=3, image_size=size).astype(int)
        expected = PIL.Image.fromarray(np.ascontiguousarray(upright)).resize(
            (size, size), PIL.Image.Resampling.BICUBIC, box=box
        )
        difference = np.abs(small - np.asarray(expected))
        assert difference.max() <= (1 if size == 24 else 14)
        assert difference.mean() < (1 if size == 24 else 2.5)


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_spoils_no_image(exif):
    encoded = encode(np.full((8, 8, 3), 90, np.uint8), "jpeg", exif=exif)
    assert orientation(open_image(encoded)) == 1
    np.testing.assert_array_equal(decode_image(encoded, channels=3), 90)


def test_huge_images_are_decoded_up_to_a_limit(monkeypatch):
    usual = PIL.Image.MAX_IMAGE_PIXELS
    huge = np.zeros((400, 500), np.uint8)
    huge[:, :50] = 200
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 50_000)  # an error at twice as many
    for format in ("png", "tiff", "jpeg"):
        shown = decode_image(encode(huge, format), channels=1)
        assert np.abs(shown[..., 0] - huge.astype(int)).max() <= 3
        assert PIL.Image.MAX_IMAGE_PIXELS == 50_000
    monkeypatch.undo()
    monkeypatch.setattr(image_file, "MAX_PIXELS", 199_999)
    with pytest.raises(ValueError, match="500x400 pixels, but at most 199999 are allowed"):
        decode_image(encode(huge), channels=1)
    assert usual == PIL.Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("compressed", [False, True])
def test_oversized_texts_are_passed_over(compressed, monkeypatch):
    monkeypatch.setattr(PIL.PngImagePlugin, "MAX_TEXT_MEMORY", 2**20)  # of 64 MiB
    remarks = PIL.PngImagePlugin.PngInfo()
    remarks.add_text("comment", "a" * 2**21, zip=compressed)
    remarks.add_itxt("parameters", "b" * 2**21, zip=True)
    encoded = encode(COLOUR, pnginfo=remarks)
    with pytest.raises(ValueError, match=r"MAX_TEXT|text memory"):
        PIL.Image.open(io.BytesIO(encoded)).load()
    np.testing.assert_array_equal(decode_image(encoded, channels=3), COLOUR)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (b"", "is not an image"),
        (b"hello", "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (encode(COLOUR)[:60], "truncated|broken|incomplete|Truncated"),
        (encode(np.tile(COLOUR, (9, 9, 1)), "jpeg")[:900], "truncated"),
        (encode(DEEP.astype(np.float32), "tiff"), "floats.*image_range"),
        (encode(DEEP.astype(np.int32), "tiff"), "32-bit integers.*image_range"),
    ],
)
def test_what_cannot_be_decoded(encoded, message):
    with pytest.raises(ValueError, match=message):
        decode_image(encoded, channels=3)
