"""The inputs that an encoder was trained on, and checks of new inputs against them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcl.augment.pairs import TEXT
from jcl.augment.views import FEATURES, IMAGES, VIDEOS
from jcl.errors import UserError

MASK = "text_mask"
_AXES = {IMAGES: "NHWC", VIDEOS: "NTHWC", FEATURES: "NF", TEXT: "NL"}
_ROUNDING = 1e-5  # floats may exceed 0...1 by this much
_BYTES = ("uint8", "uint16")  # dtypes of pixels that are divided by their largest value


@dataclasses.dataclass(frozen=True)
class EncoderInputs:
    """Inputs of an encoder: their kind, and shape and dtype of one example.

    Arrays are fully checked before anything is computed; for traced values, dtype and shape are.

    Attributes:
        said: name of the encoder for messages.
        kind: "image", "video", "features" or "text".
        shape: of one example, such as (H, W, C); None for a size that may vary or is not known.
        dtype: that of the data.
        masked: whether texts have a mask that marks their end.
        vocabulary: token ids are in 0...vocabulary - 1; None if it is not known.
    """

    said: str
    kind: str
    shape: tuple[int | None, ...]
    dtype: str
    masked: bool = False
    vocabulary: int | None = None

    def checked(self, inputs: Any) -> dict[str, Any]:
        """The inputs in the form of examples, kind -> [N, ...].

        Args:
            inputs: an array [N, ...], or a mapping with the array under its kind.

        Raises:
            UserError: another shape or dtype than the encoder was trained on, or values outside of
                the range of its training.
        """
        given = dict(inputs) if isinstance(inputs, Mapping) else {self.kind: inputs}
        if self.kind not in given:
            raise UserError(f"{self.said} takes {self.kind}, but it is given {', '.join(given)}")
        kinds = [self.kind, *([MASK] if self.kind == TEXT and MASK in given else [])]
        arrays = {kind: _array(given[kind]) for kind in kinds}
        self._check_shape(arrays[self.kind])
        self._check_values(arrays[self.kind])
        if self.kind == TEXT:
            self._check_text(arrays)
        return arrays

    def _check_shape(self, x: Any) -> None:
        wanted, found = (None, *self.shape), tuple(x.shape)
        if len(wanted) == len(found) and all(
            size is None or size == here for size, here in zip(wanted, found, strict=True)
        ):
            return
        sizes = ", ".join(
            axis if size is None else str(size)
            for axis, size in zip(_AXES[self.kind], wanted, strict=True)
        )
        raise UserError(
            f"{self.said} takes {self.kind} [{sizes}], but this is {x.dtype}{list(found)}"
            f"{self._hint(found)}"
        )

    def _hint(self, found: tuple[int, ...]) -> str:
        if len(found) == len(self.shape):
            return ": give a batch, x[None] where this is one example"
        if self.kind not in (IMAGES, VIDEOS) or len(found) != 1 + len(self.shape):
            return ""
        channels = self.shape[-1]
        if channels in (found[-3], None) and found[-3] in (1, 3, 4) and found[-1] != found[-3]:
            axes = (0, 2, 3, 1) if self.kind == IMAGES else (0, 1, 3, 4, 2)
            return f": channels come last, x.transpose{axes}"
        return ": its function.preprocess brings images to that, as evaluation does"

    def _check_values(self, x: Any) -> None:
        floats = jnp.issubdtype(x.dtype, jnp.floating)
        if self.kind == FEATURES:
            if not floats:
                raise UserError(f"{self.said} takes features as floats, but these are {x.dtype}")
            if _is_concrete(x) and not np.isfinite(np.asarray(x, np.float32)).all():
                raise UserError(f"{self.said} is given features that are not finite")
        elif self.kind in (IMAGES, VIDEOS) and str(x.dtype) != self.dtype:
            whole = self.dtype if self.dtype in _BYTES else "uint8"
            most = np.iinfo(whole).max
            rule = f"it takes {whole} 0...{most}, or floats that were divided by {most}, 0...1"
            if not floats:
                raise UserError(f"{self.said} is given pixels as {x.dtype}: {rule}")
            if _is_concrete(x) and x.size:
                low, high = (float(f(np.asarray(x, np.float32))) for f in (np.min, np.max))
                if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
                    raise UserError(
                        f"{self.said} is given pixels as {x.dtype} from {low:.4g} to {high:.4g}: "
                        f"{rule}"
                    )

    def _check_text(self, arrays: Mapping[str, Any]) -> None:
        ids = arrays[TEXT]
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise UserError(f"{self.said} takes token ids, which are integers, not {ids.dtype}")
        if self.masked and MASK not in arrays:
            raise UserError(
                f'{self.said} takes texts that have a mask: give {{"text": ids, "text_mask": mask}}'
            )
        mask = arrays.get(MASK, np.ones(ids.shape, bool))
        if mask.shape != ids.shape:
            raise UserError(
                f"{self.said} is given text {list(ids.shape)} with text_mask {list(mask.shape)}: "
                "both have one shape"
            )
        if self.vocabulary is None or not (_is_concrete(ids) and _is_concrete(mask)):
            return
        counted = np.asarray(ids)[np.asarray(mask).astype(bool)]
        if counted.size and not (counted.min() >= 0 and counted.max() < self.vocabulary):
            raise UserError(
                f"{self.said} has a vocabulary of {self.vocabulary} tokens, but these ids lie "
                f"between {counted.min()} and {counted.max()}"
            )


def _array(x: Any) -> Any:
    """The input itself if it has a shape and a dtype, and otherwise as a NumPy array."""
    if isinstance(x, jax.Array | jax.ShapeDtypeStruct):
        return x
    if np.ma.is_masked(x):
        raise UserError("these inputs have masked values, which an encoder would see: fill them")
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise UserError(f"inputs of several shapes are no batch: {error}") from error
    except (RuntimeError, TypeError) as error:  # such as a tensor of PyTorch that has a gradient
        raise UserError(f"these inputs are no array: {error}") from error
    # JAX would read numbers of the other byte order as if they had this machine's order.
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _is_concrete(x: Any) -> bool:
    if isinstance(x, jax.core.Tracer | jax.ShapeDtypeStruct):
        return False
    return getattr(x, "is_fully_addressable", True)  # the rest is in other processes
