r"""Turns local files into a dataset on disk, which a config then names.

    python -m jcl.data.prepare --idx=DIR          --name=fashion_mnist --data_dir=OUT
    python -m jcl.data.prepare --npz=PATH.npz     --name=my_images     --data_dir=OUT
    python -m jcl.data.prepare --image_folder=DIR --name=my_photos     --data_dir=OUT
    python -m jcl.data.prepare --diamonds         --name=diamonds      --data_dir=OUT

Of images the result is OUT/NAME/VERSION with the splits train and test, the features image, label
and target (where the source has them) and records in their source's order, as array_record files.
Train on it with --config.data.name=tfds:NAME --config.data.dir=OUT.

Arrays are stored as PNG, image files as they are; where these differ in size, training brings
them to one, which --config.data.image_size names. The dataset appears under its name only when
it is complete. Neither writing nor reading needs TensorFlow.

The diamonds are feature vectors, and the result is OUT/NAME.npz, for
--config.data.name=arrays:OUT/NAME.npz.

For regression, --rotate turns every image by an angle of its own, which becomes its target, and
--target_density chooses examples by their target:

    python -m jcl.data.prepare --idx=DIR --rotate=60 --target_density=exponential \
        --train_examples=10000 --test_examples=2000 --name=fashion_angle --data_dir=OUT
"""

from absl import flags

from jcl.data.prepare.density import DENSITIES
from jcl.data.prepare.diamonds import read_diamonds
from jcl.data.prepare.idx import read_idx_folder
from jcl.data.prepare.rotated import rotate_images
from jcl.data.prepare.subset import take_subset
from jcl.data.prepare.write import write_arrays, write_image_folder
from jcl.data.prepare.write_npz import write_npz
from jcl.data.sources.arrays import read_arrays
from jcl.errors import UserError

_IDX = flags.DEFINE_string("idx", None, "Folder of IDX files named as MNIST's are, gzipped or not.")
_NPZ = flags.DEFINE_string("npz", None, "Archive with the keys that arrays:PATH.npz takes.")
_IMAGE_FOLDER = flags.DEFINE_string(
    "image_folder", None, "Folder with train/CLASS/*.png|jpg and test/CLASS/*.png|jpg."
)
_DIAMONDS = flags.DEFINE_boolean(
    "diamonds", False, "The prices of 53,940 diamonds, out of the installed package plotnine."
)
_NAME = flags.DEFINE_string("name", None, "Name of the dataset: lower case, digits, underscores.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Data directory to write into.")
_VERSION = flags.DEFINE_string(
    "version",
    None,
    "Version of the dataset. Default: the version of TFDS's own dataset of that name, so that "
    "TFDS too finds this one, or 1.0.0 where it has none.",
)
_ROTATE = flags.DEFINE_float(
    "rotate",
    None,
    "Turn every image by an angle that is uniform between minus and plus so many degrees; the "
    "angle, counter-clockwise, becomes the target.",
)
_TARGET_DENSITY = flags.DEFINE_enum(
    "target_density",
    None,
    DENSITIES,
    "Choose --train_examples whose targets have this density, exponential falling by a factor of "
    "100 from the lowest to the highest, and --test_examples that are uniform.",
)
_TRAIN_EXAMPLES = flags.DEFINE_integer(
    "train_examples", None, "Number of training examples to choose, at random without a density."
)
_TEST_EXAMPLES = flags.DEFINE_integer(
    "test_examples", None, "Number of test examples to choose, at random without a density."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of angles, of chosen examples, of the diamonds' splits.")
_SOURCES = (_IDX, _NPZ, _IMAGE_FOLDER, _DIAMONDS)


def main(argv: list[str]) -> None:
    """Runs the binary: one of the four sources, into --data_dir."""
    given = [flag for flag in _SOURCES if flag.value]
    if len(argv) > 1 or len(given) != 1 or not _NAME.value or not _DATA_DIR.value:
        raise UserError(
            "give --name, --data_dir and exactly one of --idx, --npz, --image_folder and --diamonds"
        )
    if _IMAGE_FOLDER.value:
        _refuse("--image_folder", _ROTATE, _TARGET_DENSITY, _TRAIN_EXAMPLES, _TEST_EXAMPLES)
    if _DIAMONDS.value:
        _refuse("--diamonds", _ROTATE, _VERSION)
    to = {"name": _NAME.value, "data_dir": _DATA_DIR.value}
    if _DIAMONDS.value:
        path = write_npz(_choose(read_diamonds(_SEED.value)), **to)
        print(f"Wrote {path}: use --config.data.name=arrays:{path}")
        return
    if _IMAGE_FOLDER.value:
        path = write_image_folder(_IMAGE_FOLDER.value, **to, version=_VERSION.value)
    else:
        arrays = read_idx_folder(_IDX.value) if _IDX.value else read_arrays(_NPZ.value)
        if _ROTATE.value is not None:
            arrays = rotate_images(arrays, degrees=_ROTATE.value, seed=_SEED.value)
        path = write_arrays(_choose(arrays), **to, version=_VERSION.value)
    print(
        f"Wrote {path}: use --config.data.name=tfds:{to['name']} --config.data.dir={to['data_dir']}"
    )


def _choose(arrays: dict) -> dict:
    """The examples that the flags ask for."""
    return take_subset(
        arrays,
        train_examples=_TRAIN_EXAMPLES.value,
        test_examples=_TEST_EXAMPLES.value,
        target_density=_TARGET_DENSITY.value,
        seed=_SEED.value,
    )


def _refuse(source: str, *others: flags.FlagHolder) -> None:
    """Raises UserError where a flag is set that the source does not take."""
    if names := [f"--{flag.name}" for flag in others if flag.value is not None]:
        raise UserError(f"{source} does not go together with {' and '.join(names)}")


if __name__ == "__main__":
    from jcl.runtime import cli

    cli.run(main)
