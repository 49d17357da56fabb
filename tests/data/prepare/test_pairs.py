"""Images and captions out of tables, COCO's JSON and tar shards, read back by random access."""

import io
import json
import tarfile

import numpy as np
import PIL.Image
import pytest

from jcl.data import open_source
from jcl.data.prepare.pairs.files import list_captioned, read_captioned
from jcl.data.prepare.pairs.shards import Broken, list_shards, read_shards
from jcl.data.prepare.write import write_records
from jcl.data.prepare.write_pairs import Captioned, write_captioned
from jcl.data.text.tokenizer import read_tokenizer
from jcl.data.text.words import train_words
from jcl.errors import UserError
from tests.data.prepare.test_prepare import prepare_each


def encode(value, kind="png", mode="RGB"):
    file = io.BytesIO()
    PIL.Image.new(mode, (5, 4), (value,) * len(mode) if len(mode) > 1 else value).save(file, kind)
    return file.getvalue()


def write_images(folder, **values):
    for name, value in values.items():
        (folder / f"{name}.png").write_bytes(encode(value))


def prepared(tmp_path, splits, captions):
    write_captioned(splits, captions=captions, name="pairs", data_dir=str(tmp_path / "out"))
    return [
        open_source("tfds:pairs", split, dir=str(tmp_path / "out")) for split in ("train", "test")
    ]


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_a_table_has_a_row_a_caption(tmp_path, suffix, delimiter):
    write_images(tmp_path, a=10, b=20)
    rows = [
        ("id", "image", "caption"),
        ("0", "b.png", '"A ""big"" dog, seen\nfrom above"'),
        ("1", "a.png", "Eine Küche"),
        ("2", "b.png", " A dog "),
    ]
    table = tmp_path / f"pairs.{suffix}"
    table.write_text("\n".join(map(delimiter.join, rows)), encoding="utf-8")
    listed = list_captioned(str(table), None)
    files = {split: (2, read_captioned(listed)) for split in ("train", "test")}
    train, test = prepared(tmp_path, files, captions=2)
    batch = train.batch(np.array([1, 0]))
    assert batch["image"][:, 0, 0, 0].tolist() == [10, 20]
    assert batch["text"].tolist() == [
        ["Eine Küche", ""],
        ['A "big" dog, seen\nfrom above', "A dog"],
    ]
    assert len(test) == 2


def test_captions_as_coco_has_them(tmp_path):
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images", a=10, b=20)
    listed = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}],
        "annotations": [
            {"image_id": image, "caption": text} for image, text in ((3, "x"), (7, "y"), (3, "z"))
        ],
    }
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(listed))
    found = list_captioned(str(path), str(tmp_path / "images"))
    assert [(file.name, texts) for file, texts in found] == [
        ("b.png", ["x", "z"]),
        ("a.png", ["y"]),
    ]
    listed["annotations"].append({"image_id": 5, "caption": "w"})
    path.write_text(json.dumps(listed))
    with pytest.raises(UserError, match=r"captions of 1 images that it does not list.*id 5"):
        list_captioned(str(path), str(tmp_path / "images"))
    listed["annotations"] = listed["annotations"][:1]
    path.write_text(json.dumps(listed))
    with pytest.raises(UserError, match=r"1 images without a caption, such as a\.png"):
        list_captioned(str(path), str(tmp_path / "images"))
    path.write_text("[]")
    with pytest.raises(UserError, match="not a JSON file of captions as COCO has them"):
        list_captioned(str(path), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,caption\na.png,\n", "line 2 has an empty caption of a.png"),
        (
            "image,caption\na.png,x\nb.png,y\n",
            r"names 1 images that do not exist.*b\.png",
        ),
        ("image,caption\na.png\n", "line 2 has not as many cells"),
        ("image,caption\na.png,x,y\n", "line 2 has not as many cells"),
        ("image,text\na.png,x\n", "has no column 'caption'"),
        ("", "has no column 'image'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_a_sentence(tmp_path, text, message):
    write_images(tmp_path, a=10)
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        list_captioned(str(tmp_path / "pairs.csv"), None)
    assert "\n" not in str(error.value)


def test_files_of_other_kinds_and_damaged_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="is none of the files that captions are read from"):
        list_captioned(str(tmp_path / "pairs.parquet"), None)
    with pytest.raises(UserError, match=r"pairs\.csv cannot be read: No such file"):
        list_captioned(str(tmp_path / "pairs.csv"), None)
    (tmp_path / "a.png").write_bytes(encode(1)[:30])
    with pytest.raises(UserError, match=r"a\.png is not an image, or is damaged"):
        list(read_captioned([(tmp_path / "a.png", ["x"])]))


def write_shard(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_shards_are_streamed_and_what_is_broken_is_named_and_counted(tmp_path):
    write_shard(
        tmp_path / "0.tar",
        [
            ("a/0.json", b'{"caption": "zero", "width": 5}'),
            ("a/0.jpg", encode(0, "jpeg")),
            ("a/1.PNG", encode(10)),
            ("a/1.txt", b"one\nuno\n"),
            ("a/2.png", encode(20)[:30]),
            ("a/2.txt", b"two"),
            ("a/3.txt", b"three"),
            ("a/4.png", encode(40)),
            ("a/5.json", b"{"),
            ("a/5.png", encode(50)),
        ],
    )
    write_shard(
        tmp_path / "1.tar",
        [
            ("b/0.left.webp", encode(60, "webp")),
            ("b/0.webp", encode(60, "webp")),
            ("b/0.json", json.dumps({"captions": ["six", " ", "seis", "sechs"]}).encode()),
            ("b/1.png", encode(70, mode="L")),
            ("b/1.cls", b"3"),
            ("b/1.txt", b"seven"),
        ],
    )
    (tmp_path / "2.tar").write_bytes((tmp_path / "1.tar").read_bytes()[:700])
    broken, shards = Broken(), list_shards(f"{tmp_path}/*.tar")
    found = list(read_shards(shards, 2, broken))
    texts = [["zero"], ["one", "uno"], ["six", "seis"], ["seven"]]
    assert [captions for _, captions in found] == texts
    assert found[0].image == encode(0, "jpeg")  # as it was
    assert broken.count == 5
    said = broken.said()
    assert said.startswith("5 broken samples are left out: ")
    for name in ("0.tar:a/2", "0.tar:a/3 (no image)", "0.tar:a/4 (no caption)", "0.tar:a/5"):
        assert name in said
    assert "2.tar (it cannot be read on" in said
    train, _ = prepared(
        tmp_path, {"train": (None, found), "test": (None, iter(found[:1]))}, captions=2
    )
    assert train.batch(np.arange(4))["image"][:, 0, 0, 2].tolist() == pytest.approx(
        [0, 10, 60, 70], abs=1
    )


def test_a_split_without_a_whole_sample_is_refused_and_leaves_nothing(tmp_path):
    good = Captioned(encode(1), ["x"])
    splits = {"train": (1, [good]), "test": (None, iter([]))}
    with pytest.raises(UserError, match="the test split of pairs would have no example"):
        write_captioned(splits, captions=1, name="pairs", data_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"none/\*\.tar names no file"):
        list_shards(f"{tmp_path}/none/*.tar")


@pytest.mark.slow
def test_the_binary_prepares_each_kind_and_a_tokenizer_of_words(tmp_path):
    write_images(tmp_path, a=10, b=20)
    (tmp_path / "pairs.csv").write_text("image,caption\na.png,Red fish\nb.png,old cat\nb.png,cat\n")
    write_shard(tmp_path / "0.tar", [("0.png", encode(1)), ("0.txt", b"one"), ("1.txt", b"two")])
    write_shard(tmp_path / "1.tar", [("2.png", encode(1))])
    out, table, shards = tmp_path / "out", tmp_path / "pairs.csv", f"{tmp_path}/0.tar"
    said = prepare_each(
        f"--pairs={table} --test_pairs={table} --name=tables --data_dir={out}",
        f"--pairs={table} --test_pairs={table} --captions=1 --name=one --data_dir={out}",
        f"--pairs={shards} --test_pairs={shards} --name=shards --data_dir={out}",
        f"--words --source=tfds:tables --name=words --data_dir={out}",
        f"--words --source=tfds:tables --name=words --data_dir={out}",
        f"--words --pairs={table} --name=words --data_dir={out}",
        f"--pairs={table} --name=x --data_dir={out}",
        f"--pairs={table} --test_pairs={shards} --name=x --data_dir={out}",
        f"--pairs={table} --test_pairs={table} --rotate=60 --name=x --data_dir={out}",
        f"--pairs={tmp_path}/1.tar --test_pairs={tmp_path}/1.tar --name=x --data_dir={out}",
    )
    expected = (
        *("tfds:tables", "tfds:one", "2 broken samples are left out: ", "tfds:shards"),
        *("data.tokenizer=", "words.json exists already", "--words does nothing without --source"),
        *("give --test_pairs too", "are of different kinds", "--pairs does not go together with"),
        *("1.tar:2 (no caption)", "the train split of x would have no example"),
    )
    assert len(said) == len(expected)
    for line, part in zip(said, expected, strict=True):
        assert part in line
    texts = open_source("tfds:tables", "test", dir=str(out)).batch(np.arange(2))["text"]
    assert texts.tolist() == [["Red fish", ""], ["old cat", "cat"]]
    assert open_source("tfds:one", "test", dir=str(out)).batch(np.arange(2))["text"].ndim == 1
    assert read_tokenizer(out / "words.json") == train_words(["red", "fish", "old", "cat"])


def test_datasets_of_others_that_need_an_option_are_refused(tmp_path):
    import tensorflow_datasets as tfds

    image = tfds.features.Image(shape=(4, 5, 3))
    features = {"image": image, "text": tfds.features.Sequence(tfds.features.Text())}
    several = {"image": tfds.features.Sequence(image, length=2)}
    for name, kinds, example in (
        ("ragged", features, {"image": encode(1), "text": ["x", "y", "z"]}),
        ("unmasked", several, {"image": [encode(1), encode(2)]}),
    ):
        splits = {split: (1, [example]) for split in ("train", "test")}
        write_records(splits, kinds, name=name, data_dir=str(tmp_path), version=None)
    with pytest.raises(UserError, match=r"any number of 'text': data\.captions must set how many"):
        open_source("tfds:ragged", "train", dir=str(tmp_path))
    read = open_source("tfds:ragged", "train", dir=str(tmp_path), captions=4)
    assert read.batch(np.arange(1))["text"].tolist() == [["x", "y", "z", ""]]
    with pytest.raises(UserError, match=r"data\.text_key='caption' is given, but the texts of"):
        open_source("tfds:ragged", "train", dir=str(tmp_path), text_key="caption")
    with pytest.raises(UserError, match="has 2 images per example, but there is no feature"):
        open_source("tfds:unmasked", "train", dir=str(tmp_path))


def test_odd_members_of_shards_cost_no_other_sample(tmp_path):
    """A caption that is no text, what macOS adds to archives, and line ends that are none."""
    write_shard(
        tmp_path / "0.tar",
        [
            ("0.png", encode(0)),
            ("0.json", b'{"caption": null}'),
            ("._1.png", b"macOS"),
            ("1.png", encode(10)),
            ("._1.txt", b"macOS"),
            ("1.txt", "one\u2028line\r\nuno\r\n".encode()),
        ],
    )
    broken = Broken()
    found = list(read_shards([str(tmp_path / "0.tar")], 5, broken))
    assert [captions for _, captions in found] == [["one\u2028line", "uno"]]
    assert broken.first == [f"{tmp_path}/0.tar:0 (captions that are no strings)"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,caption\na.png,caf\xe9\n".encode("latin-1"), "is no text in UTF-8"),
        (b'image,caption\na.png,"Hello" she said\n', "line 2 cannot be read: "),
        (b'image,caption\na.png,"open\nb.png,a "word"\n', "line 2 cannot be read: "),
    ],
)
def test_a_table_with_odd_bytes_or_quotation_marks_is_refused(tmp_path, content, message):
    """Read as far as possible, the last one would put two rows into one caption."""
    write_images(tmp_path, a=10, b=20)
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"pairs\.csv {message}") as error:
        list_captioned(str(tmp_path / "pairs.csv"), None)
    assert "\n" not in str(error.value)


def test_a_caption_of_coco_that_is_no_text_is_refused(tmp_path):
    listed = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [{"image_id": 7, "caption": None}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(listed))
    with pytest.raises(UserError, match="not a JSON file of captions as COCO has them"):
        list_captioned(str(tmp_path / "captions.json"), None)
