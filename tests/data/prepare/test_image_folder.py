"""Folders of images as datasets."""

import numpy as np
import PIL.Image
import pytest

from jcl.data import open_source
from jcl.data.prepare.write import write_image_folder
from jcl.errors import UserError
from tests.data.folders import noise, save_image, save_tree


def contents(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_image_folder(tmp_path):
    folder = tmp_path / "photos"
    for split in ("train", "test"):
        save_image(folder / split / "cat" / "a.png", "RGB", (6, 5), "png", 0)
        save_image(folder / split / "cat" / "b.JPG", "RGB", (6, 5), "jpeg", 1)
        save_image(folder / split / "dog" / "c.png", "L", (6, 5), "png", 2)
        save_image(folder / split / "dog" / "d.bmp", "RGB", (6, 5), "bmp", 3)
        (folder / split / "dog" / "notes.txt").write_text("not an image")
    write_image_folder(str(folder), name="photos", data_dir=str(tmp_path))
    source = open_source("tfds:photos", "train", dir=str(tmp_path))
    assert source.n_classes == 2
    assert source.arrays["label"].tolist() == [0, 0, 1, 1]
    for i, name in enumerate(["cat/a.png", "cat/b.JPG", "dog/c.png", "dog/d.bmp"]):
        expected = np.asarray(PIL.Image.open(folder / "train" / name).convert("RGB"))
        np.testing.assert_array_equal(source.arrays["image"][i], expected)


def test_images_of_different_shapes_can_be_prepared_but_not_read(tmp_path):
    folder = tmp_path / "photos"
    for split in ("train", "test"):
        save_image(folder / split / "cat" / "a.png", "L", (6, 5), "png", 0)
        save_image(folder / split / "cat" / "b.png", "L", (5, 6), "png", 0)
    write_image_folder(str(folder), name="photos", data_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"\(6, 5, 1\).*\(5, 6, 1\)"):
        open_source("tfds:photos", "train", dir=str(tmp_path))


def test_turned_photographs_keep_their_bytes_and_have_the_shape_that_is_seen(tmp_path):
    values = noise("RGB", (6, 5), 0)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        PIL.Image.fromarray(values).save(tmp_path / name / "x.png", exif=exif)
    write_image_folder(str(tmp_path), name="turned", data_dir=str(tmp_path / "out"))
    source = open_source("tfds:turned", "train", dir=str(tmp_path / "out"))
    assert source.image_shape == (6, 5, 3)
    np.testing.assert_array_equal(source.arrays["image"][0], np.rot90(values, -1))


def test_a_seeded_share_becomes_the_test_part(tmp_path):
    pictures = {i: noise("L", (6, 5), i).tobytes() for i in range(20)}
    for i in range(20):
        save_image(tmp_path / "all" / ("cat", "dog")[i % 2] / f"{i:02}.png", "L", seed=i)
    found = {}
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        out = {"name": name, "data_dir": str(tmp_path)}
        write_image_folder(str(tmp_path / "all"), **out, held_out=0.3, seed=seed)
        parts = [
            open_source(f"tfds:{name}", split, dir=str(tmp_path)).arrays["image"]
            for split in ("train", "test")
        ]
        assert [len(part) for part in parts] == [14, 6]
        found[name] = [image.tobytes() for image in np.concatenate(parts)]
        assert sorted(found[name]) == sorted(pictures.values())
    assert found["first"] == found["again"] != found["other"]


def test_without_a_test_part_there_is_a_training_part(tmp_path):
    save_tree(tmp_path / "all", "a.png", "b.png")
    write_image_folder(str(tmp_path / "all"), name="flat", data_dir=str(tmp_path))
    source = open_source("tfds:flat", "train", dir=str(tmp_path))
    assert (len(source), source.n_classes) == (2, None)
    assert len(open_source("tfds:flat", "test", dir=str(tmp_path), held_out=0.5)) == 1
    with pytest.raises(UserError, match=r"has train .*data\.held_out"):
        open_source("tfds:flat", "test", dir=str(tmp_path))


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01, -1.0])
def test_shares_that_leave_a_part_empty(tmp_path, share):
    save_tree(tmp_path / "all", "a.png", "b.png")
    with pytest.raises(UserError, match="held_out="):
        write_image_folder(str(tmp_path / "all"), name="x", data_dir=str(tmp_path), held_out=share)


def test_a_share_where_there_is_a_test_part(tmp_path):
    save_tree(tmp_path / "all", "train/a.png", "val/b.png")
    with pytest.raises(UserError, match=r"held_out=0\.5 .*has a test part"):
        write_image_folder(str(tmp_path / "all"), name="x", data_dir=str(tmp_path), held_out=0.5)


def damaged_folder(folder):
    """Four images, of which one is cut, one is text and one is empty."""
    save_tree(folder, "cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")
    whole = (folder / "cat" / "b.png").read_bytes()
    (folder / "cat" / "b.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "c.png").write_bytes(b"hello")
    (folder / "dog" / "e.png").write_bytes(b"")


def test_what_cannot_be_read_is_named_at_the_end(tmp_path, caplog):
    folder = tmp_path / "all"
    damaged_folder(folder)
    write_image_folder(str(folder), name="some", data_dir=str(tmp_path))
    source = open_source("tfds:some", "train", dir=str(tmp_path))
    assert source.arrays["label"].tolist() == [0, 1]
    for i, path in enumerate((folder / "cat" / "a.png", folder / "dog" / "d.png")):
        np.testing.assert_array_equal(source.arrays["image"][i], np.asarray(PIL.Image.open(path)))
    assert "Left out 3 files that cannot be read" in caplog.text
    for name in ("cat/b.png", "dog/c.png", "dog/e.png"):
        assert f"{folder}/{name}: " in caplog.text
    assert "a.png" not in caplog.text


def test_what_cannot_be_read_is_an_error_where_that_is_asked(tmp_path):
    damaged_folder(tmp_path / "all")
    with pytest.raises(UserError, match=r"dog/c\.png cannot be read: it is not an image"):
        write_image_folder(str(tmp_path / "all"), name="x", data_dir=str(tmp_path), strict=True)
    assert "x" not in contents(tmp_path)


def test_a_folder_of_which_nothing_can_be_read(tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "a.png").write_bytes(b"hello")
    with pytest.raises(UserError, match=r"no train image of .* can be read, such as .*a\.png: "):
        write_image_folder(str(tmp_path / "all"), name="x", data_dir=str(tmp_path))
    assert "x" not in contents(tmp_path)
