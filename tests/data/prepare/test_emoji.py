"""Emoji out of packages that hold a handful of symbols, drawn as plain rectangles."""

import io
import json
import tarfile

import numpy as np
import pytest

from jcl.data import open_source
from jcl.data.prepare.emoji import read
from jcl.data.prepare.emoji.packages import STYLES
from jcl.data.prepare.emoji.read import read_emoji
from jcl.data.prepare.write_pairs import write_drawings
from jcl.errors import UserError

GROUPS = {"groups": {"3": "animals-nature", "8": "symbols", "9": "flags"}, "subgroups": {"0": "x"}}
# Name, code, tags, group.
ENTRIES = (
    ("cat", "1F408", ["pet"], 3),
    ("dog", "1F415", ["pet", "bark"], 3),
    ("one o\u2019clock", "1F550", [], 8),
    ("two o\u2019clock", "1F551", [], 8),
    ("white small square", "25AB-FE0F", [], 8),
    ("white large square", "2B1C", [], 8),
    ("flag: Chad", "1F1F9-1F1E9", [], 9),
    ("woman farmer", "1F469-200D-1F33E", [], 3),
    ("person walking facing right", "1F6B6-200D-27A1-FE0F", [], 3),
    ("sun", "2600", [], 3),
    ("star", "2B50", [], 3),
)
KEPT = [name for name, *_ in ENTRIES if name[:4] not in ("flag", "woma", "pers")]


def half(colour, side="left"):
    """An icon of which one half is filled."""
    left = {"left": 0, "right": 8}[side]
    return {"body": f'<path fill="{colour}" d="M{left} 0h8v16h-8z"/>'}


def write_package(folder, package, files):
    with tarfile.open(folder / f"{package}-1.0.0.tgz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            encoded = json.dumps(content).encode()
            member.size = len(encoded)
            archive.addfile(member, io.BytesIO(encoded))


@pytest.fixture
def packages(tmp_path):
    def entry(name, code, tags, group):
        return {"label": name, "hexcode": code, "tags": tags, "group": group, "subgroup": 0}

    german = [entry("Katze", "1F408", ["Haustier"], 3)]
    names = {"en/data.json": [entry(*of) for of in ENTRIES], "de/data.json": german}
    write_package(tmp_path, "emojibase-data", {**names, "meta/groups.json": GROUPS})
    for style in STYLES:
        icons, listed = {}, {}
        if style == "noto":  # lists its icons, and draws sun and star alike but for a mirror
            listed = {code.lower(): f"icon-{i}" for i, (_, code, *_) in enumerate(ENTRIES)}
            icons = {f"icon-{i}": half(f"rgb({20 * i},0,0)") for i in range(len(ENTRIES))}
            icons["icon-9"], icons["icon-10"] = half("lime"), half("lime", "right")
        if style == "emojione":  # is known by names
            icons = {"cat": half("blue"), "one-oclock": {"body": ""}, "unknown": half("red")}
        if style == "fxemoji":
            icons = {"whitelargesquare": half("red", "right")}
        files = {"icons.json": {"icons": icons, "width": 16, "height": 16}}
        if style == "fluent-emoji":
            files["icons.json"]["aliases"] = {"dog": {"parent": "hound", "hFlip": True}}
            icons["hound"] = half("blue")
        write_package(
            tmp_path,
            f"iconify-json-{style}",
            files | ({"chars.json": listed} if listed else {}),
        )
    return tmp_path


def whole(emoji):
    """The arrays of both splits together, by name."""
    splits = emoji.splits.values()
    arrays = {key: np.concatenate([s[key] for s in splits]) for key in emoji.splits["train"]}
    return {text.split(",")[0]: i for i, text in enumerate(arrays["text"][:, 0])}, arrays


def test_symbols_and_their_drawings(packages):
    emoji = read_emoji(str(packages), ["en", "de"], seed=0)
    row, arrays = whole(emoji)
    assert sorted(row) == sorted(KEPT)
    place = {style: i for i, style in enumerate(STYLES)}
    drawn = {(n, STYLES[s]) for n in row for s in np.flatnonzero(arrays["image_mask"][row[n]])}
    assert drawn == {(name, "noto") for name in KEPT} | {
        *(("cat", "emojione"), ("dog", "fluent-emoji"), ("white large square", "fxemoji"))
    }  # the clock of emojione is empty
    cat = arrays["image"][row["cat"], place["emojione"]]
    assert cat.shape == (64, 64, 3)
    assert (cat[:, :32] == (0, 0, 255)).all()
    assert (cat[:, 32:] == 255).all()
    dog = arrays["image"][row["dog"], place["fluent-emoji"]]
    np.testing.assert_array_equal(dog, cat[:, ::-1])
    assert (arrays["image"][row["dog"], place["emojione"]] == 255).all()
    assert arrays["text"][row["dog"], 0] == "dog, pet, bark"
    assert emoji.groups == ["animals and nature", "symbols"]
    assert arrays["label"][row["white large square"]] == 1


def test_captions_in_other_languages_are_for_training_alone(packages, monkeypatch):
    monkeypatch.setattr(read, "_TEST_SHARE", 0.5)
    for seed in range(2):
        emoji = read_emoji(str(packages), ["en", "de"], seed=seed)
        assert not emoji.splits["test"]["text"][:, 1].any()
        german = emoji.splits["train"]["text"][:, 1].tolist()
        is_trained = "cat, pet" in emoji.splits["train"]["text"][:, 0]
        assert ("Katze, Haustier" in german) == is_trained


def test_families_stay_on_one_side_of_the_split(packages, monkeypatch):
    monkeypatch.setattr(read, "_TEST_SHARE", 0.5)
    of_dog = set()
    for seed in range(6):
        splits = read_emoji(str(packages), ["en"], seed=seed).splits
        test = {text.split(",")[0] for text in splits["test"]["text"][:, 0]}
        assert len(test) in (3, 4)
        for one, other in (
            ("one o\u2019clock", "two o\u2019clock"),
            ("white small square", "white large square"),
            ("sun", "star"),
        ):
            assert (one in test) == (other in test)
        of_dog.add("dog" in test)
    assert of_dog == {True, False}


def test_they_are_read_back_by_random_access(packages, tmp_path):
    emoji = read_emoji(str(packages), ["en", "de"], seed=0)
    write_drawings(emoji.splits, emoji.groups, name="few", data_dir=str(tmp_path / "out"))
    source = open_source("tfds:few", "train", dir=str(tmp_path / "out"))
    assert source.class_names == ("animals and nature", "symbols")
    assert source.image_shape == (64, 64, 3)
    rows = np.array([3, 0])
    for key, array in source.batch(rows).items():
        np.testing.assert_array_equal(array, emoji.splits["train"][key][rows], err_msg=key)
    one = open_source("tfds:few", "train", dir=str(tmp_path / "out"), captions=1, image_size=32)
    assert one.batch(rows)["text"].shape == (2, 1)
    assert one.batch(rows)["image"].shape == (2, 9, 32, 32, 3)


def test_what_is_missing_is_said_in_a_sentence(packages):
    with pytest.raises(UserError, match=r"languages='xx' is given, but emojibase-data has none"):
        read_emoji(str(packages), ["en", "xx"], seed=0)
    (packages / "iconify-json-noto-1.0.0.tgz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"noto-1.0.0.tgz is damaged"):
        read_emoji(str(packages), ["en"], seed=0)
    (packages / "iconify-json-noto-1.0.0.tgz").unlink()
    with pytest.raises(UserError, match=r"holds 0 files iconify-json-noto-VERSION.tgz.*make emoji"):
        read_emoji(str(packages), ["en"], seed=0)
