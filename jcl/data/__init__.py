"""Data: sources with random access, the order of examples, and the loader.

`open_source` maps a config's `data.name` to a `Source`, one of the user's own included;
`jcl.data.order` says which examples step t sees; `jcl.data.loader` brings them to the devices.
"""

from collections.abc import Collection

from jcl.data import address
from jcl.data.source import InMemorySource, Source
from jcl.errors import UserError

__all__ = ["InMemorySource", "Source", "open_source", "options_taken"]

# Keys of the config's data section, besides the name, that each kind of dataset takes.
_OPTIONS = {
    "shapes": ("image_size", "train_examples", "test_examples"),
    "tfds": ("dir", "image_size", "image_key", "label_key", "train_split", "test_split"),
    "arrays": ("image_size",),
}
_NAMES = "shapes, tfds:NAME, arrays:PATH.npz or an address package.module:function"


def open_source(
    name: str,
    split: str,
    *,
    dir: str | None = None,
    image_size: int | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
    train_split: str | None = None,
    test_split: str | None = None,
    train_examples: int | None = None,
    test_examples: int | None = None,
) -> Source:
    """Opens one split of the dataset that a config names.

    For every option None means the source's default; one that the source does not take is an
    error when it is set.

    Args:
        name: "shapes" (generated), "tfds:NAME", "arrays:PATH.npz", or "package.module:function",
            which is called with the split and, as keywords, the options below that are set, and
            returns a `Source`: a dataset of one's own needs no fork.
        split: "train" or "test".
        dir: TFDS data directory (tfds).
        image_size: pixels of every image both ways. tfds resizes the shorter side and takes the
            centre square; the images of shapes and arrays must have that size already.
        image_key: the feature that holds the image (tfds).
        label_key: the feature that holds the class (tfds).
        train_split: the TFDS split to train on, such as "train[:90%]" (tfds).
        test_split: the TFDS split to test on (tfds).
        train_examples: number of training examples to generate (shapes).
        test_examples: number of test examples to generate (shapes).

    Raises:
        UserError: unknown name or split, an option the source does not take, or data that
            cannot be read.
    """
    if split not in ("train", "test"):
        raise UserError(f"split={split!r} is given, but it must be 'train' or 'test'")
    options = {
        "dir": dir,
        "image_size": image_size,
        "image_key": image_key,
        "label_key": label_key,
        "train_split": train_split,
        "test_split": test_split,
        "train_examples": train_examples,
        "test_examples": test_examples,
    }
    options = {key: value for key, value in options.items() if value is not None}

    kind, _, rest = name.partition(":")
    if not _is_built_in(name):
        if not address.is_address(name):
            raise UserError(f"data.name={name!r} is given, but it must be {_NAMES}")
        return address.open_address(name, split, options)
    for key, value in options.items():
        if key not in _OPTIONS[kind]:
            takes = ", ".join(f"data.{key}" for key in _OPTIONS[kind])
            raise UserError(f"data.{key}={value!r} is given, but data.name={name!r} takes {takes}")
    # Imported here, so that a run loads only the libraries that its own source needs.
    if name == "shapes":
        from jcl.data.sources import shapes

        _check_size(name, image_size, (shapes.SIZE, shapes.SIZE, 3))
        return shapes.open_shapes(split, examples=options.get(f"{split}_examples"))
    if kind == "tfds":
        from jcl.data.sources import tfds

        return tfds.open_tfds(
            rest,
            options.get(f"{split}_split", split),
            dir=dir,
            image_key=options.get("image_key", "image"),
            label_key=label_key,
            image_size=image_size,
        )
    from jcl.data.sources import arrays

    source = arrays.open_arrays(rest, split)
    _check_size(name, image_size, source.image_shape)
    return source


def options_taken(name: str) -> Collection[str]:
    """The keys of the data section, besides the name, that a dataset takes."""
    if _is_built_in(name):
        return _OPTIONS[name.partition(":")[0]]
    taken = address.options_taken(name) if address.is_address(name) else None
    return {key for keys in _OPTIONS.values() for key in keys} if taken is None else taken


def _is_built_in(name: str) -> bool:
    kind, _, rest = name.partition(":")
    return name == "shapes" or (kind in ("tfds", "arrays") and bool(rest))


def _check_size(
    name: str, image_size: int | None, image_shape: tuple[int, int, int] | None
) -> None:
    """Raises a UserError where images that are taken as they are have another size than asked."""
    if image_size is None or (image_shape and image_shape[:2] == (image_size, image_size)):
        return
    holds = f"{image_shape[0]}x{image_shape[1]} images" if image_shape else "features"
    raise UserError(
        f"data.image_size={image_size} is given, but data.name={name!r} holds {holds}, which are "
        "taken as they are: leave data.image_size unset"
    )
