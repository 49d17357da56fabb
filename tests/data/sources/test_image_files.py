"""Which files of a folder are images of which part and class."""

import pytest

from jcl.data.sources.image_files import list_images, say_what_is_left_out
from jcl.errors import UserError
from tests.data.folders import save_image, save_tree


def listed(folder):
    """Of each part, the paths below the folder with the names of their classes."""
    images = list_images(str(folder))
    names = (*(images.classes or ()), None)  # -1 is the last
    return {
        split: {path: names[label] for path, label in files}
        for split, files in images.files.items()
    }


FLAT = {"a.png": None, "b.png": None}


@pytest.mark.parametrize(
    ("names", "train", "test"),
    [
        ("a.png b.png", FLAT, None),
        ("x/a.png x/y/b.png", {"x/a.png": None, "x/y/b.png": None}, None),
        ("cat/a.png dog/b.png", {"cat/a.png": "cat", "dog/b.png": "dog"}, None),
        # However deep; as Tiny ImageNet has it.
        (
            "n1/images/a.png n2/images/b.png",
            {"n1/images/a.png": "n1", "n2/images/b.png": "n2"},
            None,
        ),
        (
            "cat/a.png dog/b.png c.png",
            {"c.png": None, "cat/a.png": "cat", "dog/b.png": "dog"},
            None,
        ),
        (
            "train/cat/a.png train/dog/b.png val/cat/c.png",
            {"train/cat/a.png": "cat", "train/dog/b.png": "dog"},
            {"val/cat/c.png": "cat"},
        ),
        *(
            (
                f"{train}/a.png {test}/b.png other/c.png",
                {f"{train}/a.png": None},
                {f"{test}/b.png": None},
            )
            for train in ("train", "Training")
            for test in ("test", "testing", "VAL", "valid", "validation")
        ),
        ("train/a.png", {"train/a.png": None}, None),
        # A test part whose labels are secret, and another that has them, as ImageNet.
        (
            "train/cat/a.png train/dog/b.png val/cat/c.png test/d.png",
            {"train/cat/a.png": "cat", "train/dog/b.png": "dog"},
            {"val/cat/c.png": "cat"},
        ),
        (
            "train/cat/a.png train/dog/b.png val/cat/c.png test/dog/d.png",
            {"train/cat/a.png": "cat", "train/dog/b.png": "dog"},
            {"test/dog/d.png": "dog"},
        ),
        # Anomaly detection: one class to train on, more to test on.
        (
            "train/good/a.png test/good/b.png test/broken/c.png",
            {"train/good/a.png": "good"},
            {"test/broken/c.png": "broken", "test/good/b.png": "good"},
        ),
        ("a.png test/b.png", {"a.png": None}, {"test/b.png": None}),
        (
            "car/a.png plane/b.png train/c.png",
            {"car/a.png": "car", "plane/b.png": "plane", "train/c.png": "train"},
            None,
        ),
    ],
)
def test_layouts(tmp_path, names, train, test):
    save_tree(tmp_path, *names.split())
    assert listed(tmp_path) == (
        {"train": train} if test is None else {"train": train, "test": test}
    )


def test_what_is_no_image_is_counted_by_kind(tmp_path, caplog):
    save_tree(tmp_path, "cat/a.png", "dog/b.png", "cat/.ipynb_checkpoints/a-checkpoint.png")
    for name in (".git/x.png", "__MACOSX/y/z.png", "@eaDir/t.jpg", ".hidden/a.png"):
        save_image(tmp_path / name)
    save_image(tmp_path / "cat" / "._a.png")
    save_image(tmp_path / "dog" / "0123abcd")  # no suffix, but an image
    for name in (
        "notes.txt",
        "cat/more.TXT",
        "clip.mp4",
        "cat/Thumbs.db",
        ".DS_Store",
        "dog/README",
    ):
        (tmp_path / name).write_text("no image")
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "dog" / "round").symlink_to(tmp_path)
    images = list_images(str(tmp_path))
    assert images.classes == ("cat", "dog")
    assert [path for path, _ in images.files["train"]] == ["cat/a.png", "dog/0123abcd", "dog/b.png"]
    assert images.left_out == {
        ".txt": 2,
        ".mp4": 1,
        "files and folders of editors and systems": 8,
        "broken links and the like": 1,
        "files without a suffix that are no images": 1,
    }
    say_what_is_left_out(images)
    assert "left out 8 files and folders of editors and systems, 2 .txt, 1 " in caplog.text


def test_what_is_strange_is_said(tmp_path, caplog):
    save_tree(tmp_path, "train/cat/a.png", "train/dog/b.png", "train/c.png", "test/cat/d.png")
    save_tree(tmp_path, "val/cat/e.png", "x.png", "old/y.png")
    say_what_is_left_out(list_images(str(tmp_path)))
    assert "1 images of val, as test is the test part" in caplog.text
    assert "2 images outside of train and test" in caplog.text
    assert "1 of 3 train images are not in the folder of a class" in caplog.text
    assert "only one of train and test has the classes dog" in caplog.text


def test_a_missing_test_part_is_said(tmp_path, caplog):
    save_tree(tmp_path, "a.png")
    say_what_is_left_out(list_images(str(tmp_path)))
    assert "there is no test split; data.held_out holds out" in caplog.text
    assert "no folders of classes" in caplog.text


def test_folders_without_images(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        list_images(str(tmp_path / "nowhere"))
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UserError, match="is a file"):
        list_images(str(tmp_path / "a.txt"))
    with pytest.raises(UserError, match=r"has no image for training in it, only 1 \.txt"):
        list_images(str(tmp_path))
