"""data.subset, and the files that speak of one dataset's examples."""

import numpy as np
import pytest

from jcl.data import InMemorySource, open_source
from jcl.data.prepare.distinct import write_distinct
from jcl.data.side_file import read_side_file, write_side_file
from jcl.data.subset import INDICES
from jcl.errors import UserError
from jcl.experiment import open_split, read_command_line
from tests.tiny import tiny_config

SIZES = {"train_examples": 20, "test_examples": 7}


def shapes(split="train", **more):
    return open_source("shapes", split, **SIZES, **more)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "some.npz"
    write_side_file(path, INDICES, np.array([3, 1, 8]), name="shapes", train=shapes())
    return str(path)


def every(source):
    return source.batch(np.arange(len(source)))["image"]


def test_the_indices_of_the_training_split_are_trained_on(path):
    some = shapes(subset=path)
    np.testing.assert_array_equal(every(some), every(shapes())[[1, 3, 8]])
    assert (some.in_memory, some.n_classes, len(shapes("test", subset=path))) == (True, 8, 7)


def test_what_is_held_out_stays_the_same(path):
    parts = {split: shapes(split, held_out=0.5) for split in ("train", "test")}
    np.testing.assert_array_equal(
        every(shapes("test", held_out=0.5, subset=path)), every(parts["test"])
    )
    chosen = {image.tobytes() for image in every(shapes())[[1, 3, 8]]}
    found = [image.tobytes() for image in every(shapes(held_out=0.5, subset=path))]
    expected = [x.tobytes() for x in every(parts["train"]) if x.tobytes() in chosen]
    assert found == expected
    assert 0 < len(found) < 3


def test_a_config_names_it(tmp_path):
    config, _, _ = read_command_line(tiny_config(), ["--config.data.train_examples=20"])
    path = tmp_path / "some.npz"
    train = open_split(config, "train")
    write_side_file(path, INDICES, np.arange(5), name="shapes", train=train)
    config, _, _ = read_command_line(config, [f"--config.data.subset={path}"])
    assert len(open_split(config, "train")) == 5


def test_a_file_of_another_dataset_is_refused(path, tmp_path):
    with pytest.raises(UserError, match=r"with 20 training .* has 21: make the file for this"):
        open_source("shapes", "train", train_examples=21, subset=path)
    images = every(shapes())
    images[19, 0, 0, 0] ^= 1  # the last example is looked at
    other = tmp_path / "other.npz"
    np.savez(other, train_image=images, test_image=images)
    with pytest.raises(UserError, match=r"data.subset=.* for data.name='shapes' .* some differ"):
        open_source(f"arrays:{other}", "train", subset=path)
    # The same images under another name, and without labels, are the same dataset.
    same = tmp_path / "same.npz"
    np.savez(same, train_image=every(shapes()), test_image=images)
    assert len(open_source(f"arrays:{same}", "train", subset=path)) == 3


@pytest.mark.parametrize("indices", [[], [0, 20], [-1], [4, 4]])
def test_impossible_indices_are_refused(indices, tmp_path):
    path = tmp_path / "x.npz"
    write_side_file(path, INDICES, np.array(indices, int), name="shapes", train=shapes())
    with pytest.raises(UserError, match="distinct indices from 0 to 19"):
        shapes(subset=str(path))


def test_a_subset_of_what_is_held_out_leaves_nothing(tmp_path):
    kept = {x.tobytes() for x in every(shapes("train", held_out=0.5))}
    gone = [i for i, x in enumerate(every(shapes())) if x.tobytes() not in kept]
    path = tmp_path / "x.npz"
    write_side_file(path, INDICES, np.array(gone), name="shapes", train=shapes())
    with pytest.raises(UserError, match=r"data\.held_out=0\.5"):
        shapes(held_out=0.5, subset=str(path))


def test_files_that_are_none(path, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK half")
    for file, key in (("missing.npz", INDICES), ("broken.npz", INDICES), ("some.npz", "groups")):
        with pytest.raises(
            UserError, match=rf"data.x=.*{file} is not a readable file.*{key}"
        ) as error:
            read_side_file(
                str(tmp_path / file), key, option="data.x", name="shapes", train=shapes()
            )
        assert "\n" not in str(error.value)


def test_writing_is_idempotent_and_overwrites_nothing(tmp_path):
    """Twice the same images: the same bytes, and of each pair the first is kept."""
    images = np.random.RandomState(0).randint(0, 256, (6, 12, 12, 1), np.uint8)
    file = tmp_path / "twice.npz"
    np.savez(file, train_image=np.tile(images, (2, 1, 1, 1)), test_image=images)
    paths = [tmp_path / name for name in ("a.npz", "b.npz")]
    for path in (*paths, paths[0]):
        assert write_distinct(f"arrays:{file}", path) == (6, 12)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert len(open_source(f"arrays:{file}", "train", subset=str(paths[0]))) == 6
    with pytest.raises(UserError, match="exists already with other contents"):
        write_distinct(f"arrays:{file}", paths[0], distance=63)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    train = InMemorySource({"features": np.zeros((2, 3), np.float32)})
    with pytest.raises(UserError, match=r"must end in \.npz"):
        write_side_file(tmp_path / "a.txt", INDICES, np.arange(2), name="x", train=train)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "b.npz", "twice.npz"]
