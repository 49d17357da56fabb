"""Reads a prepared TFDS dataset (array_record files) by index, a batch at a time.

TensorFlow is neither needed nor imported.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8

from jcl.data.sources.decode import decode_images, decode_named
from jcl.errors import UserError

# The key that says which of an example's images exist.
IMAGE_MASK = "image_mask"


@dataclasses.dataclass(frozen=True)
class RecordSource:
    """One split of a prepared dataset, decoded at every read: see `jcl.data.source.Source`.

    It opens its files at the first read, so it can be sent to worker processes.

    Attributes:
        folder: of one version of a dataset: holds dataset_info.json and the record files.
        split: such as "train" or "train[:90%]".
        length: number of examples.
        image_key: the feature that holds the image.
        label_key: the feature that holds the class, or None.
        target_key: the feature that holds the continuous target, or None.
        image_shape: (H, W, C) that every image must have.
        n_classes: of the label, or None.
        class_names: of the label, or None.
        text_key: the feature that holds a text or a sequence of texts, or None.
        captions: K, the number of texts of each example; None if an example has one text and not a
            sequence.
        images: S, the number of images of each example, with `image_mask` for those that exist;
            None if an example has one image and not a sequence.
        image_size: every image is resized to this height and width, which are then H and W; None
            does not resize images.
    """

    folder: str
    split: str
    length: int
    image_key: str
    label_key: str | None
    target_key: str | None
    image_shape: tuple[int, int, int]
    n_classes: int | None
    class_names: tuple[str, ...] | None = None
    text_key: str | None = None
    captions: int | None = None
    images: int | None = None
    image_size: int | None = None
    in_memory: bool = dataclasses.field(default=False, init=False)

    def __len__(self) -> int:
        return self.length

    def batch(self, indices: Integer[np.ndarray, " b"]) -> dict[str, np.ndarray]:
        """Reads and decodes the examples at `indices`.

        Raises:
            UserError: a record is damaged, or an image has another shape.
        """
        examples = self.read(indices)
        files = (
            (self._name(index), encoded)
            for index, example in zip(indices.tolist(), examples, strict=True)
            for encoded in self._encoded(example)
        )
        count = len(examples) * (self.images or 1)
        images = decode_images(
            files, count=count, shape=self.image_shape, image_size=self.image_size
        )
        if self.images:
            images = images.reshape(len(examples), self.images, *self.image_shape)
        batch = {"image": images}
        if self.images:
            masks = [example[IMAGE_MASK].int64_list.value for example in examples]
            batch[IMAGE_MASK] = np.array(masks, bool)
        if self.text_key is not None:
            batch["text"] = self._texts_of(indices, examples)
        for key, feature, dtype in (
            ("label", self.label_key, np.int32),
            ("target", self.target_key, np.float32),
        ):
            if feature is not None:
                batch[key] = np.array([_scalar(example[feature]) for example in examples], dtype)
        return batch

    def read(self, indices: Integer[np.ndarray, " b"]) -> list[Mapping[str, Any]]:
        """The features of the examples at `indices`, as tf.train.Example holds them.

        Raises:
            UserError: the record files are damaged or missing.
        """
        from tensorflow_datasets.proto import tf_example_pb2

        try:
            # Parsed here instead of by TFDS, whose parser takes as long as decoding a small image.
            records = self._records.__getitems__(indices.tolist())
            return [tf_example_pb2.Example.FromString(r).features.feature for r in records]
        except Exception as error:  # array_record and protobuf raise errors of many types
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"the records of {self.split} in {self.folder} cannot be read, so the dataset is "
                f"damaged and must be prepared again: {detail}"
            ) from error

    def decode(self, index: int, example: Mapping[str, Any]) -> UInt8[np.ndarray, "h w c"]:
        """The first image of one example, with the number of channels that the dataset declares."""
        return decode_named(
            self._name(index),
            self._encoded(example)[0],
            channels=self.image_shape[-1],
            image_size=self.image_size,
        )

    def _name(self, index: int) -> str:
        return f"image {index} of {self.split} in {self.folder}"

    def _encoded(self, example: Mapping[str, Any]) -> Sequence[bytes]:
        return example[self.image_key].bytes_list.value[: self.images or 1]

    def texts(self, indices: Integer[np.ndarray, " b"]) -> np.ndarray:
        """Only the text, strings [b] or [b, K]; images are not decoded."""
        return self._texts_of(indices, self.read(indices))

    def _texts_of(self, indices, examples: list[Mapping[str, Any]]) -> np.ndarray:
        """All texts of examples, filled up to K with ""."""
        wanted, rows = self.captions or 1, []
        for index, example in zip(indices.tolist(), examples, strict=True):
            try:
                texts = [text.decode() for text in example[self.text_key].bytes_list.value]
            except UnicodeDecodeError as error:
                raise UserError(
                    f"text {index} of {self.split} in {self.folder} is not UTF-8: {error}"
                ) from error
            rows.append([*texts[:wanted], *[""] * (wanted - len(texts))])
        return np.array(rows) if self.captions else np.array(rows)[:, 0]

    @functools.cached_property
    def _records(self) -> Any:
        import tensorflow_datasets as tfds

        return tfds.builder_from_directory(self.folder).as_data_source(
            split=self.split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the open files."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _scalar(feature: Any) -> int | float:
    """The one number of a tf.train.Feature."""
    return (feature.int64_list.value or feature.float_list.value)[0]
