import gzip
import io
import subprocess
import sys

import numpy as np
import pytest

from jcl.data import open_source
from jcl.data.prepare import write
from jcl.data.prepare.density import sample_by_density
from jcl.data.prepare.rotated import rotate_images
from jcl.data.prepare.write_npz import write_npz
from jcl.errors import UserError
from tests.data.idx_files import encode


def contents(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_arrays_come_back_bit_for_bit(small_arrays, small_dir):
    for split, arrays in small_arrays.items():
        source = open_source("tfds:small", split, dir=str(small_dir))
        assert source.image_shape == (9, 7, 3)
        assert source.n_classes == 5
        batch = source.batch(np.arange(len(source)))
        assert batch.keys() == arrays.keys()
        for key, values in arrays.items():
            np.testing.assert_array_equal(batch[key], values)
            assert batch[key].dtype == values.dtype


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images_without_labels(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 8, channels), np.uint8)
    splits = {"train": {"image": image}, "test": {"image": image[:2]}}
    write.write_arrays(splits, name="plain", data_dir=str(tmp_path))
    source = open_source("tfds:plain", "train", dir=str(tmp_path))
    assert source.n_classes is None
    batch = source.batch(np.arange(6))
    assert list(batch) == ["image"]
    np.testing.assert_array_equal(batch["image"], image)


def test_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_SHARD_EXAMPLES", 10)
    monkeypatch.setattr(write, "_CHUNK", 7)
    image = np.random.default_rng(0).integers(0, 256, (25, 4, 4, 3), np.uint8)
    splits = {"train": {"image": image}, "test": {"image": image[:2]}}
    folder = write.write_arrays(splits, name="sharded", data_dir=str(tmp_path))
    assert len(list(folder.glob("sharded-train*"))) == 3
    for split, expected in {"train": image, "train[5:21]": image[5:21]}.items():
        source = open_source("tfds:sharded", "train", dir=str(tmp_path), train_split=split)
        np.testing.assert_array_equal(source.arrays["image"], expected)


def run_binary(*args, code=""):
    """Runs the binary in a fresh interpreter, then `code` there."""
    script = (
        "import sys\nfrom jcl.runtime import cli\n"
        "from jcl.data.prepare import __main__ as prepare\n"
        f"try:\n    cli.run(prepare.main)\nexcept SystemExit as e:\n    status = e.code\n{code}\n"
        "sys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, timeout=120
    )


def write_idx(folder):
    """IDX files of 30 images for training, the first 10 of them for testing too."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 28, 28), np.uint8)
    label = (np.arange(30) % 10).astype(np.uint8)
    for name, array in {"images-idx3": image, "labels-idx1": label}.items():
        (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(encode(array)))
        (folder / f"t10k-{name}-ubyte").write_bytes(encode(array[:10]))
    return image, label


def test_binary_prepares_idx_under_a_name_that_tfds_knows_otherwise(tmp_path):
    """Neither writing nor reading imports TensorFlow or asks the network."""
    image, label = write_idx(tmp_path)
    out = tmp_path / "out"
    code = f"""
import socket
def refuse(*args): raise AssertionError("asked the network")
socket.socket.connect = refuse
import tensorflow_datasets as tfds
records = tfds.data_source("fashion_mnist", split="train", data_dir={str(out)!r}, download=False)
from jcl.data import open_source
source = open_source("tfds:fashion_mnist", "train", dir={str(out)!r})
print(len(records), records[3]["image"].sum(), source.arrays["image"][3].sum(), source.n_classes)
print("tensorflow" in sys.modules)
"""
    process = run_binary(
        f"--idx={tmp_path}", "--name=fashion_mnist", f"--data_dir={out}", code=code
    )
    assert process.returncode == 0, process.stderr
    first, *rest = process.stdout.splitlines()
    assert "fashion_mnist/3.0.1" in first
    assert rest == [f"30 {image[3].sum()} {image[3].sum()} 10", "False"]
    source = open_source("tfds:fashion_mnist", "train", dir=str(out))
    np.testing.assert_array_equal(source.arrays["image"][..., 0], image)
    np.testing.assert_array_equal(source.arrays["label"], label)


def test_binary_refuses_in_one_sentence(tmp_path):
    process = run_binary("--name=x", "--npz=a.npz", "--idx=b", f"--data_dir={tmp_path}")
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "exactly one of --idx, --npz, --image_folder, --source, --diamonds" in process.stderr


def prepare_each(*commands):
    """What the binary says to each command line, run after one another in one fresh interpreter."""
    script = f"""
from absl import flags
from absl.testing import flagsaver
from jcl.data.prepare import __main__ as prepare
from jcl.errors import UserError
for command in {commands!r}:
    with flagsaver.flagsaver():
        try:
            prepare.main(flags.FLAGS(["prepare", *command.split()]))
        except (UserError, flags.Error) as error:
            print("error:", str(error).replace(chr(10), " "))
"""
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_binary_makes_regression_of_images_and_of_diamonds(tmp_path):
    image, label = write_idx(tmp_path)
    out = tmp_path / "out"
    few = "--target_density=exponential --train_examples=9 --test_examples=4"
    turned = f"--idx={tmp_path} --rotate=60 --data_dir={out}"
    diamonds = f"--diamonds --train_examples=90 --test_examples=40 --name=gems --data_dir={out}"
    said = prepare_each(
        f"{turned} --name=turned",
        f"{turned} --name=again {few}",
        f"{turned} --name=other {few} --seed=1",
        f"{diamonds} --target_density=uniform",
        diamonds,
        f"{diamonds} --rotate=60",
        f"{diamonds} --version=1.0.0",
        f"--image_folder={tmp_path} --name=x --data_dir={out} {few}",
        f"{turned} --name=x --target_density=uniform",
        f"{turned} --name=x --target_density=normal",
        f"{turned} --name=x --train_examples=31",
        f"--idx={tmp_path} --name=x --data_dir={out} {few}",
        f"--idx={tmp_path} --name=x --data_dir={out} --rotate=200",
    )
    assert said[:4] == [
        *(
            f"Wrote {out}/{name}/1.0.0: use --config.data.name=tfds:{name} --config.data.dir={out}"
            for name in ("turned", "again", "other")
        ),
        f"Wrote {out}/gems.npz: use --config.data.name=arrays:{out}/gems.npz",
    ]
    for sentence, words in zip(
        said[4:],
        [
            "gems.npz exists already: delete it first, or give another --name",
            "--diamonds does not go together with --rotate",
            "--diamonds does not go together with --version",
            "--image_folder does not go together with --target_density and --train_examples",
            "needs the numbers of training and of test examples",
            "--target_density=normal: value should be one of <uniform|exponential>",
            "31 examples are asked for, but it must be 1 to 30",
            "needs a target, and the dataset has none",
            "rotate=200 is impossible",
        ],
        strict=True,
    ):
        assert sentence.startswith("error: ")
        assert words in sentence
    assert contents(out).count("1.0.0") == 3
    assert [name for name in contents(out) if "incomplete" in name or name == "x"] == []

    turned, again, other = (
        open_source(f"tfds:{name}", "train", dir=str(out)).arrays
        for name in ("turned", "again", "other")
    )
    np.testing.assert_array_equal(turned["label"], label)
    expected = rotate_images(
        {"train": {"image": image[..., None]}, "test": {"image": image[..., None]}},
        degrees=60.0,
        seed=0,
    )
    for key in ("image", "target"):
        np.testing.assert_array_equal(turned[key], expected["train"][key])
    rows = sample_by_density(turned["target"], examples=9, density="exponential", seed=0)
    for key, array in again.items():
        np.testing.assert_array_equal(array, turned[key][rows])
    assert not np.isin(other["target"], turned["target"]).any()

    gems = {split: open_source(f"arrays:{out}/gems.npz", split) for split in ("train", "test")}
    assert [len(source) for source in gems.values()] == [90, 40]
    assert gems["train"].arrays["features"].shape == (90, 9)
    counts = np.histogram(gems["train"].arrays["target"], 10)[0]
    assert counts.max() - counts.min() <= 6  # 53,940 as they are differ by a factor of 10


def test_binary_makes_variants(tmp_path):
    """What holds more than image, label and target becomes an archive, and can be varied again."""
    write_idx(tmp_path)
    out = tmp_path / "out"
    to = f"--data_dir={out}"
    for split in ("train", "test"):
        np.savez(tmp_path / f"{split}.npz", **{f"{split}_image": np.zeros((4, 5, 5, 3), np.uint8)})
    for other in ("cat", "eel"):
        image, label = np.zeros((2, 5, 5, 3), np.uint8), np.array([other, "dog"])
        both = {f"{split}_image": image for split in ("train", "test")}
        both |= {f"{split}_label": label for split in ("train", "test")}
        np.savez(tmp_path / f"{other}.npz", **both)
    said = prepare_each(
        f"--idx={tmp_path} --class_ratio=3 --name=tailed {to}",
        f"--idx={tmp_path} --class_ratio=3 --label_noise=symmetric --name=noisy {to}",
        f"--npz={out}/noisy.npz --planted_wrong=0.5 --classes=0,1,2,3 --name=pairs {to}",
        f"--idx={tmp_path} --also=tfds:tailed --times=2 --name=joined {to}",
        f"--idx={tmp_path} --styles=cast --class_colour=1 --tree=(0,1),2,3,4,5,6,7,8,9 "
        f"--turned_outliers --copies=2 --name=every {to}",
        f"--source=tests.data.test_address:zeros --label_noise=symmetric --name=x {to}",
        f"--idx={tmp_path} --label_noise=symmetric --version=1.0.0 --name=x {to}",
        f"--image_folder={tmp_path} --label_noise=symmetric --turned_outliers --name=x {to}",
        f"--idx={tmp_path} --label_noise_rate=0.2 --name=x {to}",
        f"--idx={tmp_path} --held_out=0.1 --name=x {to}",
        f"--pairs=a.csv --test_pairs=b.csv --strict --name=x {to}",
        f"--npz={tmp_path}/train.npz --turned_outliers --name=x {to}",
        f"--npz={tmp_path}/test.npz --name=x {to}",
        f"--idx={tmp_path} --also=arrays:{tmp_path}/train.npz --name=x {to}",
        f"--idx={tmp_path} --name=x --data_dir={tmp_path}/train.npz",
        f"--idx={tmp_path} --copies=2 --planted_wrong=1 --name=x --data_dir={tmp_path}/train.npz",
        f"--npz={tmp_path}/cat.npz --name=named {to}",
        f"--npz={tmp_path}/cat.npz --also=arrays:{tmp_path}/eel.npz --name=x {to}",
    )
    assert said[0].startswith(f"Wrote {out}/tailed/1.0.0")
    for sentence, name in zip(said[1:5], ("noisy", "pairs", "joined", "every"), strict=True):
        use = f"use --config.data.name=arrays:{out}/{name}.npz"
        assert sentence == f"Wrote {out}/{name}.npz: {use}"
    assert "label_noise needs a label, and the train split has none" in said[5]
    assert "an archive does not go together with --version" in said[6]
    assert "does not go together with --turned_outliers and --label_noise" in said[7]
    for sentence, words in zip(
        said[8:],
        [
            "--label_noise_rate does nothing without --label_noise",
            "--held_out does nothing without --image_folder",
            "--strict does nothing without --image_folder",
            "train.npz has nothing that begins with test_",
            "test.npz has nothing that begins with train_",
            "datasets that are joined must hold the same",  # the other needs no test split
            "train.npz/x/incomplete.1.0.0",
            "train.npz cannot be used: File exists",
            f"Wrote {out}/named/1.0.0",
            f"label 0 is 'cat' in the first dataset and 'dog' in --also=arrays:{tmp_path}/eel.npz",
        ],
        strict=True,
    ):
        assert words in sentence
    assert open_source("tfds:named", "test", dir=str(out)).class_names == ("cat", "dog")

    tailed = open_source("tfds:tailed", "train", dir=str(out)).arrays["label"]
    assert np.bincount(tailed).tolist() == [3, 3, 2, 2, 2, 2, 1, 1, 1, 1]
    noisy = open_source(f"arrays:{out}/noisy.npz", "train").arrays
    np.testing.assert_array_equal(noisy["label_true"], tailed)
    assert (noisy["label"] != tailed).sum() == 7  # 0.4 of 18
    assert open_source(f"arrays:{out}/pairs.npz", "train").arrays["planted"].any()
    assert len(open_source(f"arrays:{out}/joined.npz", "train")) == 2 * 30 + 18
    every = open_source(f"arrays:{out}/every.npz", "test")
    assert (len(every), every.image_shape) == (40, (28, 28, 3))
    assert len(open_source(f"arrays:{out}/every.npz", "train")) == 2 * 30
    assert {"domain", "colour", "path", "turn", "outlier"} < every.arrays.keys()


def test_an_archive_is_whole_or_absent(tmp_path, monkeypatch):
    arrays = {"features": np.ones((3, 2), np.float32), "target": np.zeros(3, np.float32)}
    splits = {"train": arrays, "test": arrays}

    def interrupt(file, **members):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_npz(splits, name="rows", data_dir=str(tmp_path))
    assert contents(tmp_path) == []
    path = write_npz(splits, name="rows", data_dir=str(tmp_path))
    assert contents(tmp_path) == ["rows.npz"]
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        write_npz(splits, name="rows", data_dir=str(tmp_path))
    assert path.read_bytes() == before
    with pytest.raises(UserError, match="must match"):
        write_npz(splits, name="../rows", data_dir=str(tmp_path))


def test_refuses_to_overwrite(small_arrays, small_dir):
    before = contents(small_dir)
    with pytest.raises(UserError, match="exists already"):
        write.write_arrays(small_arrays, name="small", data_dir=str(small_dir))
    assert contents(small_dir) == before


def test_an_interrupted_write_leaves_nothing(small_arrays, tmp_path, monkeypatch):
    calls = []

    def interrupt(image):
        calls.append(image)
        if len(calls) == 200:
            raise KeyboardInterrupt
        return io.BytesIO(b"png").getvalue()

    monkeypatch.setattr(write, "encode_png", interrupt)
    monkeypatch.setattr(write, "_CHUNK", 50)
    with pytest.raises(KeyboardInterrupt):
        write.write_arrays(small_arrays, name="small", data_dir=str(tmp_path))
    assert contents(tmp_path) == []  # a folder is what `make` takes for a dataset


def test_a_killed_write_is_not_taken_for_a_dataset(small_dir, tmp_path):
    """What remains after SIGKILL: a folder of another name, even if all files are in it."""
    (tmp_path / "small").mkdir()
    source = small_dir / "small" / "1.0.0"
    (tmp_path / "small" / "incomplete.1.0.0.77").symlink_to(source)
    with pytest.raises(UserError, match="holds no prepared dataset 'small'"):
        open_source("tfds:small", "train", dir=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("test"), "train and a test"),
        (lambda s: s["test"].pop("target"), "same keys"),
        (lambda s: [a.pop("image") for a in s.values()], "images are needed"),
        (lambda s: s["train"].update(image=s["train"]["image"][..., :2]), "2 channels"),
    ],
)
def test_arrays_that_do_not_fit(small_arrays, tmp_path, change, message):
    splits = {split: dict(arrays) for split, arrays in small_arrays.items()}
    change(splits)
    with pytest.raises(UserError, match=message):
        write.write_arrays(splits, name="bad", data_dir=str(tmp_path))


@pytest.mark.parametrize("extra", [{"name": "A-b"}, {"name": "../x"}, {"version": "1"}])
def test_bad_names(small_arrays, tmp_path, extra):
    options = {"name": "small", "data_dir": str(tmp_path), **extra}
    with pytest.raises(UserError, match=r"must (match|be like)"):
        write.write_arrays(small_arrays, **options)
