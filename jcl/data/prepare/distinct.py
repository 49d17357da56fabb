r"""Writes the indices of training images without near duplicates, for `data.subset`.

    python -m jcl.data.prepare.distinct --source=tfds:fashion_mnist --data_dir=data \
        --out=data/fashion_distinct.npz
    python -m jcl.train --config=configs/simclr_fashion_mnist.py --workdir=runs/distinct \
        --config.data.subset=data/fashion_distinct.npz

This is Hash-6 (`jcl.data.prepare.difference_hash`). Images are not copied: the file holds indices.
The same images give the same file, and a second run does not change it.
"""

from pathlib import Path

from absl import flags

from jcl.data import open_source
from jcl.data.prepare.difference_hash import difference_hashes, distinct_rows
from jcl.data.side_file import check_ending, write_side_file
from jcl.data.subset import INDICES
from jcl.errors import UserError


def write_distinct(
    source: str,
    out: str | Path,
    *,
    distance: int = 6,
    data_dir: str | None = None,
    image_size: int | None = None,
) -> tuple[int, int]:
    """Writes the indices of the training images that `distinct_rows` keeps.

    Args:
        source: a value of data.name.
        out: the .npz file.
        distance: two images are near duplicates if they differ in at most this many bits.
        data_dir: as data.dir; None if the source takes none.
        image_size: as data.image_size of the training runs.

    Returns:
        The number of examples that are kept, and the number of all examples.

    Raises:
        UserError: as `open_source`, `difference_hashes` and `write_side_file`.
    """
    check_ending(out)
    train = open_source(source, "train", dir=data_dir, image_size=image_size)
    kept = distinct_rows(difference_hashes(train), distance=distance)
    write_side_file(out, INDICES, kept, name=source, train=train)
    return len(kept), len(train)


def main(argv: list[str]) -> None:
    """Runs the binary."""
    if len(argv) > 1 or not _SOURCE.value or not _OUT.value:
        raise UserError("give --source and --out")
    kept, whole = write_distinct(
        _SOURCE.value,
        _OUT.value,
        distance=_DISTANCE.value,
        data_dir=_DATA_DIR.value,
        image_size=_IMAGE_SIZE.value,
    )
    print(f"Kept {kept} of {whole}: use --config.data.subset={_OUT.value}")


if __name__ == "__main__":
    from jcl.runtime import cli

    _SOURCE = flags.DEFINE_string("source", None, "What data.name takes, such as tfds:NAME.")
    _DATA_DIR = flags.DEFINE_string("data_dir", None, "What data.dir takes.")
    _IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "What data.image_size takes.")
    _OUT = flags.DEFINE_string("out", None, "The .npz file to write.")
    _DISTANCE = flags.DEFINE_integer(
        "distance", 6, "Near duplicates differ in at most this many of 64 bits."
    )
    cli.run(main)
