r"""Turns local files into a dataset on disk, for use in a config.

    python -m jcl.data.prepare --idx=DIR          --name=fashion_mnist --data_dir=OUT
    python -m jcl.data.prepare --npz=PATH.npz     --name=my_images     --data_dir=OUT
    python -m jcl.data.prepare --image_folder=DIR --name=my_photos     --data_dir=OUT
    python -m jcl.data.prepare --source=shapes    --name=my_shapes     --data_dir=OUT
    python -m jcl.data.prepare --diamonds         --name=diamonds      --data_dir=OUT
    python -m jcl.data.prepare --wordnet=DIR      --name=wordnet       --data_dir=OUT
    python -m jcl.data.prepare --pairs=train.csv --test_pairs=test.csv --name=mine --data_dir=OUT

For images, the result is OUT/NAME/VERSION: array_record files of the splits train and test, with
the features image, label and target (if the source has them), in the source's order. Train on it
with --config.data.name=tfds:NAME --config.data.dir=OUT.

Arrays are stored as PNG. PNG and JPEG files are stored unchanged, other image files as PNG. If
images differ in size, training needs --config.data.image_size, to which it resizes them. The
dataset appears under its name only when it is complete. Neither writing nor reading needs
TensorFlow.

Folders of images may have any depth, with or without classes and splits, and files of all formats
that Pillow reads: jcl/data/sources/image_files.py has the rules. Files that are left out are
counted by kind, and unreadable files are named at the end. Without a test or val folder,
--held_out=0.1 keeps a tenth of the images for testing. Folders can also be used without
preparation: --config.data.name=folder:DIR.

Datasets of feature vectors (the diamonds) or texts (WordNet's definitions), and datasets with more
keys than image, label and target, become OUT/NAME.npz, for --config.data.name=arrays:OUT/NAME.npz.

Images with captions come from tables, COCO's JSON or WebDataset shards; `text` is then a feature:

    --pairs=train.tsv --test_pairs=test.tsv --images=DIR      columns image and caption
    --pairs=captions_train2017.json --test_pairs=captions_val2017.json \
        --images=train2017 --test_images=val2017
    --pairs='train/*.tar' --test_pairs='test/*.tar'           jpg, png or webp; txt or json

--words writes a tokenizer of the words of a dataset's texts, for --config.data.tokenizer:

    python -m jcl.data.prepare --words --source=tfds:emoji --name=emoji_words --data_dir=data

For regression, --rotate rotates every image by a random angle, which becomes its target, and
--target_density chooses examples by their target:

    python -m jcl.data.prepare --idx=DIR --rotate=60 --target_density=exponential \
        --train_examples=10000 --test_examples=2000 --name=fashion_angle --data_dir=OUT

docs/variants.md has the other changes, such as long tails, noisy labels and planted pairs, and the
order in which they are applied.
"""

from pathlib import Path

from absl import flags

from jcl.data.prepare.class_colour import colour_by_class
from jcl.data.prepare.classes import keep_classes
from jcl.data.prepare.clusters import add_clusters
from jcl.data.prepare.concatenated import concatenate
from jcl.data.prepare.density import DENSITIES
from jcl.data.prepare.diamonds import read_diamonds
from jcl.data.prepare.emoji.read import read_emoji
from jcl.data.prepare.idx import read_idx_folder
from jcl.data.prepare.long_tailed import thin_classes
from jcl.data.prepare.noisy_labels import KINDS, corrupt_labels
from jcl.data.prepare.outliers import other_class_outliers, turn_outliers
from jcl.data.prepare.pairs.files import list_captioned, read_captioned
from jcl.data.prepare.pairs.shards import Broken, list_shards, read_shards
from jcl.data.prepare.planted import plant_pairs
from jcl.data.prepare.redundant import repeat_images
from jcl.data.prepare.rotated import rotate_images
from jcl.data.prepare.source import read_source
from jcl.data.prepare.splits import Names, Splits
from jcl.data.prepare.styles import STYLES, style_images
from jcl.data.prepare.subset import take_subset
from jcl.data.prepare.tree import add_paths
from jcl.data.prepare.wordnet import read_wordnet, wordnet_splits
from jcl.data.prepare.words import write_words
from jcl.data.prepare.write import write_arrays, write_image_folder
from jcl.data.prepare.write_npz import write_npz
from jcl.data.prepare.write_pairs import write_captioned, write_drawings
from jcl.data.sources.arrays import read_archive
from jcl.errors import UserError

_IDX = flags.DEFINE_string("idx", None, "Folder of IDX files named as MNIST's are, gzipped or not.")
_NPZ = flags.DEFINE_string("npz", None, "Archive with the keys that arrays:PATH.npz takes.")
_IMAGE_FOLDER = flags.DEFINE_string(
    "image_folder",
    None,
    "Folder of images of any formats: CLASS/..., train/CLASS/... and test/CLASS/... or val/CLASS/"
    "..., or without classes.",
)
_HELD_OUT = flags.DEFINE_float(
    "held_out",
    None,
    "With --image_folder: the share of the training images that becomes the test split, if the "
    "folder has none.",
)
_STRICT = flags.DEFINE_boolean(
    "strict", False, "With --image_folder: an image that cannot be read is an error."
)
_SOURCE = flags.DEFINE_string(
    "source",
    None,
    "A value of data.name, with default options, such as shapes or, in --data_dir, tfds:NAME.",
)
_DIAMONDS = flags.DEFINE_boolean(
    "diamonds", False, "The prices of 53,940 diamonds, out of the installed package plotnine."
)
_PAIRS = flags.DEFINE_string(
    "pairs",
    None,
    "Training images and their captions: a .csv or .tsv with the columns image and caption, one "
    "row per caption; a .json of captions in COCO's format; or WebDataset shards, such as "
    "'all/*.tar'.",
)
_TEST_PAIRS = flags.DEFINE_string("test_pairs", None, "With --pairs: the same for testing.")
_IMAGES = flags.DEFINE_string(
    "images", None, "With --pairs: folder of the image files. Default: that of the list."
)
_TEST_IMAGES = flags.DEFINE_string(
    "test_images", None, "With --pairs: folder of the image files for testing. Default: --images."
)
_CAPTIONS = flags.DEFINE_integer(
    "captions",
    None,
    "With --pairs: how many captions of an image are kept, the first ones. Default: all from a "
    "list, one from a shard.",
    lower_bound=1,
)
_EMOJI = flags.DEFINE_string(
    "emoji", None, "Folder of npm's packages of emoji, which `make emoji` fetches."
)
_LANGUAGES = flags.DEFINE_list("languages", ["en"], "With --emoji: one caption in each, as en,de.")
_WORDS = flags.DEFINE_boolean(
    "words", False, "With --source: only write a tokenizer of the words of its training texts."
)
_WORDNET = flags.DEFINE_string(
    "wordnet", None, "Folder of WordNet's files: definitions, and pairs of nouns to test with."
)
_NAME = flags.DEFINE_string("name", None, "Name of the dataset: lower case, digits, underscores.")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Data directory to write into.")
_VERSION = flags.DEFINE_string(
    "version",
    None,
    "Version of the dataset. Default: the version of TFDS's own dataset of that name, so that "
    "TFDS finds this one too, or 1.0.0 if TFDS has none.",
)
_CLASSES = flags.DEFINE_list("classes", None, "Keep the examples of these classes, such as 0,3.")
_ROTATE = flags.DEFINE_float(
    "rotate",
    None,
    "Rotate every image by an angle, uniform between minus and plus this many degrees; the angle, "
    "counter-clockwise, becomes the target.",
)
_TARGET_DENSITY = flags.DEFINE_enum(
    "target_density",
    None,
    DENSITIES,
    "Choose --train_examples whose targets have this density, and --test_examples that are "
    "uniform. exponential falls by a factor of 100 from the lowest to the highest target.",
)
_TRAIN_EXAMPLES = flags.DEFINE_integer(
    "train_examples", None, "Number of training examples to choose, at random without a density."
)
_TEST_EXAMPLES = flags.DEFINE_integer(
    "test_examples", None, "Number of test examples to choose, at random without a density."
)
_CLASS_RATIO = flags.DEFINE_float(
    "class_ratio",
    None,
    "Thin the training classes to a long tail: the first class is this many times the last one.",
)
_STYLES = flags.DEFINE_enum(
    "styles",
    None,
    ("none", *STYLES),
    "Give images one of several styles; test images have this one, and no training image has it. "
    "none holds no style out.",
)
_STYLE = flags.DEFINE_enum("style", None, STYLES, "Give all images this style.")
_CLASS_COLOUR = flags.DEFINE_float(
    "class_colour",
    None,
    "Give images a colour: this share of the training images gets the colour of its class, all "
    "others get a random one.",
)
_INLIER_CLASS = flags.DEFINE_integer(
    "inlier_class",
    None,
    "Train on this class alone; the test examples of all others become outliers.",
    lower_bound=0,
)
_TURNED_OUTLIERS = flags.DEFINE_boolean(
    "turned_outliers", False, "Add the test images in three quarter turns each, as outliers."
)
_TREE = flags.DEFINE_string(
    "tree", None, 'Add the path to each class in a tree, such as "((0, 2), 1), (3, 4)".'
)
_ALSO = flags.DEFINE_string(
    "also", None, "Another dataset, as for --source, whose training examples are appended."
)
_TIMES = flags.DEFINE_integer("times", 1, "With --also: how often the first dataset is repeated.")
_ALSO_TIMES = flags.DEFINE_integer("also_times", 1, "With --also: how often the other is repeated.")
_COPIES = flags.DEFINE_integer(
    "copies", None, "Repeat every training image this often, moved by up to a pixel, with noise."
)
_LABEL_NOISE = flags.DEFINE_enum(
    "label_noise",
    None,
    KINDS,
    "Make training labels wrong: symmetric takes any other class, asymmetric the next one.",
)
_LABEL_NOISE_RATE = flags.DEFINE_float(
    "label_noise_rate", 0.4, "With --label_noise: share of the training labels that become wrong."
)
_PLANTED_NOISE = flags.DEFINE_float(
    "planted_noise", 0.0, "Share of the training images that become noise; makes pairs."
)
_PLANTED_WRONG = flags.DEFINE_float(
    "planted_wrong",
    0.0,
    "Share of the training images that get another image's partner; makes pairs.",
)
_CLUSTERS_OF = flags.DEFINE_string(
    "clusters_of",
    None,
    "Add the nearest clusters of the features in this archive, which jcl.evaluate "
    "--export_features wrote of the same examples.",
)
_CENTRES = flags.DEFINE_integer("centres", 200, "With --clusters_of: the number of clusters.")
_NEAREST = flags.DEFINE_integer("nearest", 8, "With --clusters_of: clusters of each example.")
_SEED = flags.DEFINE_integer("seed", 0, "Of all random numbers.")
_SOURCES = (_IDX, _NPZ, _IMAGE_FOLDER, _SOURCE, _DIAMONDS, _WORDNET, _PAIRS, _EMOJI)
_CHANGES = (
    *(_CLASSES, _ROTATE, _TARGET_DENSITY, _TRAIN_EXAMPLES, _TEST_EXAMPLES, _CLASS_RATIO, _STYLES),
    *(_STYLE, _CLASS_COLOUR, _INLIER_CLASS, _TURNED_OUTLIERS, _TREE, _ALSO, _COPIES),
    *(_LABEL_NOISE, _PLANTED_NOISE, _PLANTED_WRONG, _CLUSTERS_OF),
)
# Flags that change nothing unless another one is given.
_BESIDE = (
    *((flag, _IMAGE_FOLDER) for flag in (_HELD_OUT, _STRICT)),
    *((flag, _PAIRS) for flag in (_TEST_PAIRS, _IMAGES, _TEST_IMAGES, _CAPTIONS)),
    *((_LANGUAGES, _EMOJI), (_WORDS, _SOURCE), (_TIMES, _ALSO), (_ALSO_TIMES, _ALSO)),
    *((_LABEL_NOISE_RATE, _LABEL_NOISE), (_CENTRES, _CLUSTERS_OF), (_NEAREST, _CLUSTERS_OF)),
)
_OF_RECORDS = {"image", "label", "target"}


def main(argv: list[str]) -> None:
    """Runs the binary: one of the sources, into --data_dir."""
    try:
        _prepare(argv)
    except OSError as error:  # a full disk, a folder that may not be written, ...
        place = error.filename or _DATA_DIR.value
        raise UserError(f"{place} cannot be used: {error.strerror or error}") from error


def _prepare(argv: list[str]) -> None:
    given = [flag for flag in _SOURCES if flag.value]
    if len(argv) > 1 or len(given) != 1 or not _NAME.value or not _DATA_DIR.value:
        sources = ", ".join(f"--{flag.name}" for flag in _SOURCES)
        raise UserError(f"give --name, --data_dir and exactly one of {sources}")
    for flag, other in _BESIDE:
        if flag.present and not other.value:
            raise UserError(f"--{flag.name} does nothing without --{other.name}")
    to = {"name": _NAME.value, "data_dir": _DATA_DIR.value}
    if _IMAGE_FOLDER.value:
        _refuse("--image_folder", *_CHANGES)
        path = write_image_folder(
            _IMAGE_FOLDER.value,
            **to,
            version=_VERSION.value,
            held_out=_HELD_OUT.value,
            seed=_SEED.value,
            strict=_STRICT.value,
        )
    elif _PAIRS.value:
        _refuse("--pairs", *_CHANGES)
        path = _write_pairs(**to)
    elif _EMOJI.value:
        _refuse("--emoji", *_CHANGES)
        emoji = read_emoji(_EMOJI.value, _LANGUAGES.value, _SEED.value)
        path = write_drawings(emoji.splits, emoji.groups, **to, version=_VERSION.value)
    elif _WORDS.value:
        path = _write_words(**to)
        print(f"Wrote {path}: use --config.data.tokenizer={path}")
        return
    else:
        read, names = _read()
        splits = _changed(read, names)
        if set(splits["train"]) - _OF_RECORDS:
            _refuse("an archive", _VERSION)
            path = write_npz(splits, **to)
            print(f"Wrote {path}: use --config.data.name=arrays:{path}")
            return
        path = write_arrays(splits, **to, version=_VERSION.value, class_names=names)
    print(
        f"Wrote {path}: use --config.data.name=tfds:{to['name']} --config.data.dir={to['data_dir']}"
    )


def _read() -> tuple[Splits, Names | None]:
    """All examples of the source that the flags name, and the names of their classes, if any."""
    if _DIAMONDS.value:
        _refuse("--diamonds", _ROTATE, _VERSION)
        return read_diamonds(_SEED.value), None
    if _WORDNET.value:
        _refuse("--wordnet", *_CHANGES, _VERSION)
        return wordnet_splits(read_wordnet(_WORDNET.value), pairs=2000, seed=_SEED.value), None
    if _SOURCE.value:
        return read_source(_SOURCE.value, _DATA_DIR.value)
    if _IDX.value:
        return read_idx_folder(_IDX.value), None
    archive = read_archive(_NPZ.value)
    if missing := [split for split in ("train", "test") if split not in archive.splits]:
        raise UserError(
            f"{_NPZ.value} has nothing that begins with {missing[0]}_, but a dataset is prepared "
            "with both splits"
        )
    return archive.splits, archive.class_names


def _write_words(**to: str) -> Path:
    """A tokenizer of the words of the source."""
    _refuse("--words", *_CHANGES, _VERSION)
    return write_words(_SOURCE.value, **to)


def _write_pairs(**to: str) -> Path:
    """The images and captions that the flags name, as a dataset."""
    if not _TEST_PAIRS.value:
        raise UserError("--pairs names images to train on; give --test_pairs too")
    lists = {"train": _PAIRS.value, "test": _TEST_PAIRS.value}
    broken = Broken()
    if len(of_tar := {pattern.endswith(".tar") for pattern in lists.values()}) > 1:
        raise UserError(
            f"--pairs={lists['train']} and --test_pairs={lists['test']} are of different kinds: "
            "give tar files for both or for neither"
        )
    if of_tar == {True}:
        _refuse("a tar file", _IMAGES, _TEST_IMAGES)
        captions = _CAPTIONS.value or 1
        shards = {split: list_shards(pattern) for split, pattern in lists.items()}
        splits = {
            split: (None, read_shards(paths, captions, broken)) for split, paths in shards.items()
        }
    else:
        folders = {"train": _IMAGES.value, "test": _TEST_IMAGES.value or _IMAGES.value}
        files = {split: list_captioned(path, folders[split]) for split, path in lists.items()}
        captions = max(len(texts) for listed in files.values() for _, texts in listed)
        if _CAPTIONS.value:
            captions = min(captions, _CAPTIONS.value)
        splits = {
            split: (len(listed), read_captioned([(p, t[:captions]) for p, t in listed]))
            for split, listed in files.items()
        }
    try:
        return write_captioned(splits, captions=captions, **to, version=_VERSION.value)
    finally:  # also where nothing is left: the reasons say why
        if said := broken.said():
            print(said)


def _changed(splits: Splits, names: Names | None) -> Splits:
    """The examples that the flags ask for, changed as they ask."""
    seed = _SEED.value
    if _CLASSES.value:
        splits = keep_classes(splits, _CLASSES.value)
    if _ROTATE.value is not None:
        splits = rotate_images(splits, degrees=_ROTATE.value, seed=seed)
    splits = take_subset(
        splits,
        train_examples=_TRAIN_EXAMPLES.value,
        test_examples=_TEST_EXAMPLES.value,
        target_density=_TARGET_DENSITY.value,
        seed=seed,
    )
    if _CLASS_RATIO.value is not None:
        splits = thin_classes(splits, ratio=_CLASS_RATIO.value, seed=seed)
    if _STYLES.value:
        held_out = None if _STYLES.value == "none" else _STYLES.value
        splits = style_images(splits, held_out=held_out, seed=seed)
    if _STYLE.value:
        splits = style_images(splits, held_out=None, seed=seed, only=_STYLE.value)
    if _CLASS_COLOUR.value is not None:
        splits = colour_by_class(splits, share=_CLASS_COLOUR.value, seed=seed)
    if _INLIER_CLASS.value is not None:
        splits = other_class_outliers(splits, _INLIER_CLASS.value)
    if _TURNED_OUTLIERS.value:
        splits = turn_outliers(splits)
    if _TREE.value:
        splits = add_paths(splits, _TREE.value)
    if _ALSO.value:
        other, of_other = read_source(_ALSO.value, _DATA_DIR.value, splits=("train",))
        for label, (first, second) in enumerate(zip(names or (), of_other or (), strict=False)):
            if first != second:
                raise UserError(
                    f"label {label} is {first!r} in the first dataset and {second!r} in "
                    f"--also={_ALSO.value}: both must number the same classes"
                )
        splits = concatenate(splits, other, times=_TIMES.value, other_times=_ALSO_TIMES.value)
    if _COPIES.value is not None:
        splits = repeat_images(splits, copies=_COPIES.value, seed=seed)
    if _LABEL_NOISE.value:
        rate = _LABEL_NOISE_RATE.value
        splits = corrupt_labels(splits, kind=_LABEL_NOISE.value, rate=rate, seed=seed)
    if _PLANTED_NOISE.value or _PLANTED_WRONG.value:
        noise, wrong = _PLANTED_NOISE.value, _PLANTED_WRONG.value
        splits = plant_pairs(splits, noise=noise, wrong=wrong, seed=seed)
    if _CLUSTERS_OF.value:
        numbers = {"centres": _CENTRES.value, "nearest": _NEAREST.value}
        splits = add_clusters(splits, _CLUSTERS_OF.value, **numbers, seed=seed)
    return splits


def _refuse(source: str, *others: flags.FlagHolder) -> None:
    """Raises UserError if a flag is set that the source does not take."""
    if names := [f"--{flag.name}" for flag in others if flag.present]:
        raise UserError(f"{source} does not go together with {' and '.join(names)}")


if __name__ == "__main__":
    from jcl.runtime import cli

    cli.run(main)
