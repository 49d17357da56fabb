r"""Writes which training images are no near duplicates of others, for `data.subset`.

    python -m jcl.data.prepare.distinct --source=tfds:fashion_mnist --data_dir=data \
        --out=data/fashion_distinct.npz
    python -m jcl.train --config=configs/simclr_fashion_mnist.py --workdir=runs/distinct \
        --config.data.subset=data/fashion_distinct.npz

This is Hash-6 (`jcl.data.prepare.difference_hash`). No image is copied: the file holds indices. The
same images give the same file, and a second run leaves it as it is.
"""

from pathlib import Path

from absl import flags

from jcl.data import open_source
from jcl.data.prepare.difference_hash import difference_hashes, distinct_rows
from jcl.data.side_file import write_side_file
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
        source: what data.name takes.
        out: the .npz file.
        distance: how many bits at most two images differ in of which one goes.
        data_dir: as data.dir; None where the source takes none.
        image_size: as data.image_size of the training runs.

    Returns:
        How many examples are kept, and of how many.

    Raises:
        UserError: as `open_source`, `difference_hashes` and `write_side_file`.
    """
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
        "distance", 6, "How many of 64 bits at most two images differ in of which one goes."
    )
    cli.run(main)
