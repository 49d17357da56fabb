"""From images of any size to the inputs of an encoder, in the same way as in evaluation."""

import dataclasses
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from jcl.data.sources.decode import decode_image
from jcl.errors import UserError

_CHANNELS = (1, 3, 4)
_MODES_OF_PNG = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """Decodes, resizes and crops images to one size.

    Every image passes through `jcl.data.sources.decode.decode_image`, like the run's own images.
    The shorter side is resized to `size` (bicubic, antialiased) and the square in the middle is cut
    out. An image of this size is not changed. Another number of channels is converted.

    Attributes:
        said: name of the encoder for messages.
        size: side of the square in pixels; None if all images must have `shape` already.
        shape: (H, W, C) of the result; None for sizes that are not known.
        decoding: further options of `decode_image` in the run.
    """

    said: str
    size: int | None
    shape: tuple[int | None, int | None, int | None]
    decoding: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, images: Any) -> np.ndarray:
        """A batch [N, H, W, C] of bytes.

        Args:
            images: a batch uint8 [N, H, W, C]; one image, or a sequence of images of any sizes:
                paths, contents of files as `bytes`, Pillow's images, and uint8 [H, W] or [H, W, C].
                For a large JPEG, a path gives exactly the pixels of evaluation, which decodes it at
                a smaller scale; a Pillow image of it is decoded at full size.

        Raises:
            UserError: names the path or the number of an image that cannot be read or converted.
        """
        if isinstance(images, str | bytes | os.PathLike | PIL.Image.Image) or (
            getattr(images, "ndim", None) in (2, 3)
        ):
            images = [images]
        if not isinstance(images, Iterable):
            raise UserError(f"images are given as a {type(images).__name__}: give a sequence")
        images = list(images)
        if not images:
            raise UserError("there are no images to preprocess")
        done = [self._one(number, image) for number, image in enumerate(images)]
        if len({image.shape for image in done}) > 1:
            raise UserError(
                f"these images have several sizes, but {self.said} has no record of its size: "
                "resize them to one"
            )
        return np.stack(done)

    def _one(self, number: int, image: Any) -> np.ndarray:
        is_path = isinstance(image, str | os.PathLike)
        what = str(image) if is_path else f"image {number}"
        array = None if is_path or isinstance(image, bytes | PIL.Image.Image) else np.asarray(image)
        if array is not None and self._is_there(array):
            return array
        try:
            encoded = Path(image).expanduser().read_bytes() if is_path else image
            if not is_path and not isinstance(image, bytes):
                encoded = _encoded(what, image if array is None else array)
            channels = self.shape[2] or 3
            found = decode_image(encoded, channels=channels, image_size=self.size, **self.decoding)
        except UserError:
            raise
        except (OSError, SyntaxError, ValueError, KeyError) as error:
            raise UserError(f"{what} cannot be read: {error}") from error
        if not self._is_there(found):
            raise UserError(
                f"{what} is {found.dtype}{list(found.shape)}, but {self.said} takes "
                f"{list(self.shape)}: only squares are resized and cropped"
            )
        return found

    def _is_there(self, image: np.ndarray) -> bool:
        """Whether there is nothing to do."""
        return image.dtype in (np.uint8, np.uint16) and (
            len(self.shape) == image.ndim
            and all(w in (None, n) for w, n in zip(self.shape, image.shape, strict=True))
            and (self.size is None or image.shape[:2] == (self.size, self.size))
        )


def _encoded(what: str, image: Any) -> bytes:
    """A lossless file of the image, so that all inputs are processed like files."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or not (
            image.ndim == 2 or (image.ndim == 3 and image.shape[2] in _CHANNELS)
        ):
            raise UserError(
                f"{what} is {image.dtype}{list(image.shape)}, but it must be uint8 [H, W] or "
                "[H, W, C] with 1, 3 or 4 channels"
            )
        image = PIL.Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    elif image.mode in ("I", "F"):
        raise UserError(
            f"{what} has 32 bits per pixel (mode {image.mode}), which have no range: give uint8"
        )
    elif image.mode not in _MODES_OF_PNG:
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0, exif=image.getexif())
    return file.getvalue()
