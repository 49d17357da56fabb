r"""Turns local files into a TFDS dataset on disk, which `tfds:NAME` then reads.

    python -m jcl.data.prepare --idx=DIR          --name=fashion_mnist --data_dir=OUT
    python -m jcl.data.prepare --npz=PATH.npz     --name=my_images     --data_dir=OUT
    python -m jcl.data.prepare --image_folder=DIR --name=my_photos     --data_dir=OUT

The result is OUT/NAME/VERSION with the splits train and test, the features image, label and
target (where the source has them) and records in their source's order, as array_record files.
Train on it with --config.data.name=tfds:NAME --config.data.dir=OUT.

Arrays are stored as PNG, image files as they are; where these differ in size, training brings
them to one, which --config.data.image_size names. The dataset appears under its name only when
it is complete. Neither writing nor reading needs TensorFlow.
"""

from absl import flags

from jcl.data.arrays import read_arrays
from jcl.data.idx import read_idx_folder
from jcl.data.write import write_arrays, write_image_folder
from jcl.errors import UserError

_IDX = flags.DEFINE_string("idx", None, "Folder of IDX files named as MNIST's are, gzipped or not.")
_NPZ = flags.DEFINE_string("npz", None, "Archive with the keys that arrays:PATH.npz takes.")
_IMAGE_FOLDER = flags.DEFINE_string(
    "image_folder", None, "Folder with train/CLASS/*.png|jpg and test/CLASS/*.png|jpg."
)
_NAME = flags.DEFINE_string("name", None, "Name of the dataset: lower case, digits, underscores.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "TFDS data directory to write into.")
_VERSION = flags.DEFINE_string(
    "version",
    None,
    "Version of the dataset. Default: the version of TFDS's own dataset of that name, so that "
    "TFDS too finds this one, or 1.0.0 where it has none.",
)


def main(argv: list[str]) -> None:
    """Runs the binary: one of the three sources, into --data_dir."""
    given = [flag for flag in (_IDX, _NPZ, _IMAGE_FOLDER) if flag.value]
    if len(argv) > 1 or len(given) != 1 or not _NAME.value or not _DATA_DIR.value:
        raise UserError(
            "give --name, --data_dir and exactly one of --idx, --npz and --image_folder"
        )
    to = {"name": _NAME.value, "data_dir": _DATA_DIR.value, "version": _VERSION.value}
    if _IMAGE_FOLDER.value:
        path = write_image_folder(_IMAGE_FOLDER.value, **to)
    else:
        arrays = read_idx_folder(_IDX.value) if _IDX.value else read_arrays(_NPZ.value)
        path = write_arrays(arrays, **to)
    print(
        f"Wrote {path}: use --config.data.name=tfds:{to['name']} --config.data.dir={to['data_dir']}"
    )


if __name__ == "__main__":
    from jcl import cli

    cli.run(main)
