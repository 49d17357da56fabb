"""Labels as people bring them, and the classes that they become."""

import numpy as np
import pytest

from jcl.data import InMemorySource, open_source
from jcl.data.dataset_shape import shape_of
from jcl.data.labelled import all_labelled
from jcl.data.rows import Rows
from jcl.data.sources.labels import read_classes
from jcl.errors import UserError
from jcl.experiment import (
    check_needs,
    make_experiment,
    needs_every_label,
    open_split,
    read_command_line,
)
from jcl.probes import Features, measure
from tests.tiny import tiny_config


def read(**splits):
    return read_classes("x", {split: np.asarray(label) for split, label in splits.items()})


@pytest.mark.parametrize(
    ("train", "test", "expected", "n_classes", "names"),
    [
        ([3, 0], [1], ([3, 0], [1]), 4, None),
        ([1, 0], [6], ([1, 0], [6]), 7, None),
        (np.array([3.0, 0.0]), [1], ([3, 0], [1]), 4, None),
        ([True, False], [True], ([1, 0], [1]), 2, None),
        ([[3], [0]], [[1]], ([3, 0], [1]), 4, None),
        (np.array([200, 7], np.uint8), [7], ([1, 0], [0]), 2, ("7", "200")),
        # Ids far apart, in one split alone too, and of 63 bits.
        ([9000, 17, 9000], [500], ([2, 0, 2], [1]), 3, ("17", "500", "9000")),
        ([2**62, 5], [5], ([1, 0], [0]), 2, ("5", str(2**62))),
        ([-7, 3], [-7], ([0, 1], [0]), 2, ("-7", "3")),
        ([-1, 1], [1], ([0, 1], [1]), 2, ("-1", "1")),
        # Texts, in their order.
        (["dog", "cat"], ["eel"], ([1, 0], [2]), 3, ("cat", "dog", "eel")),
        (np.array([b"b", b"a"]), [b"a"], ([1, 0], [0]), 2, ("a", "b")),
        # Missing ones.
        ([2, -1, 0], [1], ([2, -1, 0], [1]), 3, None),
        ([2, np.nan, 0], [1], ([2, -1, 0], [1]), 3, None),
        (["b", "", "a"], ["a"], ([1, -1, 0], [0]), 2, ("a", "b")),
        ([500, -1, 7000], [500], ([0, -1, 1], [0]), 2, ("500", "7000")),
        # One-hot.
        ([[0, 0, 1], [1, 0, 0]], [[0, 1, 0]], ([2, 0], [1]), 3, None),
        ([[0.0, 1.0], [0.0, 0.0]], [[1, 0]], ([1, -1], [0]), 2, None),
    ],
)
def test_classes(train, test, expected, n_classes, names):
    classes = read(train=train, test=test)
    for split, label in zip(("train", "test"), expected, strict=True):
        assert classes.label[split].tolist() == label
        assert classes.label[split].dtype == np.int32
    assert (classes.n_classes, classes.class_names) == (n_classes, names)


def test_none_on_a_command_line(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, train_features=np.ones((3, 2)), train_label=[0, 1, 2])
    given = [f"--config.data.name=arrays:{path}", "--config.data.label_key=none"]
    config, _, _ = read_command_line(tiny_config(), given)
    assert config.data.label_key == "none"
    assert open_split(config, "train").n_classes is None


def test_several_classes_an_example():
    rows = {"train": [[1, 0, 1], [0, 0, 0]], "test": [[0.0, 1.0, 0.0]]}
    classes = read(**rows)
    assert (classes.label, classes.n_classes) == ({}, None)
    for split, labels in rows.items():
        np.testing.assert_array_equal(classes.labels[split], labels)
        assert classes.labels[split].dtype == np.uint8


def test_a_split_without_labels():
    classes = read(train=[1, 0], test=[-1, -1])
    assert list(classes.label) == ["train"]
    assert read(train=[-1], test=[np.nan]).n_classes is None


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([0.5], [1], "whole numbers"),
        ([np.inf], [1], "whole numbers"),
        (np.array([2**63], np.uint64), [1], "number the classes"),
        (["a"], [1], "texts in one split"),
        ([[0, 2]], [[0, 1]], "labels of 0 and 1"),
        ([[0, 1]], [[0, 1, 0]], "different shapes"),
        ([["a", "b"]], [["a", "b"]], r"<U1\[1, 2\]"),
        (np.zeros(1, "datetime64[s]"), [1], "datetime64"),
    ],
)
def test_what_are_no_labels(train, test, message):
    with pytest.raises(UserError, match=message):
        read(train=train, test=test)


def test_changes_are_said(caplog, tmp_path):
    features = np.ones((3, 2), np.float32)
    path = tmp_path / "data.npz"
    np.savez(path, train_features=features, train_label=[70, -1, 900])
    source = open_source(f"arrays:{path}", "train")
    assert source.class_names == ("70", "900")
    assert "data.npz key 'label' are 2 ids from 70 to 900, renumbered" in caplog.text
    assert "in the train split are missing for 1 of 3 examples" in caplog.text


def test_texts_of_bytes_are_of_utf_8():
    assert read(train=np.char.encode(["ü", "a"], "utf-8")).class_names == ("a", "ü")
    with pytest.raises(UserError, match="x holds bytes that are no text in UTF-8"):
        read(train=np.char.encode(["ü", "a"], "latin-1"))


def test_unlabelled_examples_are_no_class_to_a_method_that_needs_labels():
    image = np.zeros((64, 8, 8, 3), np.uint8)
    label = np.where(np.arange(64) < 3, -1, np.arange(64) % 2).astype(np.int32)
    arrays = {"image": image, "label": label, "origin": label}
    source = InMemorySource(arrays, n_classes=2)
    assert shape_of(source).unlabelled == 3
    assert shape_of(Rows(source, np.arange(2, 60))).unlabelled == 1
    for method in ("simclr", "san", "supcon"):  # the target of SAN has no labels
        config, _, _ = read_command_line(tiny_config(), [f"--config.method.name={method}"])
        experiment = make_experiment(config, shape_of(source))
        if method != "supcon":
            check_needs(experiment)
            continue
        with pytest.raises(UserError, match=r"needs a label .* 3 of 64 training examples"):
            check_needs(experiment)
    # The target of SAN has no labels.
    assert needs_every_label(experiment.method)
    san, _, _ = read_command_line(tiny_config(), ["--config.method.name=san"])
    with_origin = InMemorySource({**source.arrays, "origin": label}, n_classes=2)
    check_needs(make_experiment(san, shape_of(with_origin)))


def test_an_example_without_a_label_that_nobody_knew_is_refused_where_it_is_read():
    class Slow(InMemorySource):
        known_labels = None  # as of a prepared dataset that does not fit into memory

    arrays = {"image": np.zeros((4, 8, 8, 3), np.uint8), "label": np.array([0, 1, -1, 0], np.int32)}
    source = Slow(arrays, n_classes=2)
    assert shape_of(source).unlabelled == 0
    known = InMemorySource(arrays, n_classes=2)
    assert all_labelled(known) is known
    checked = all_labelled(Rows(source, np.array([3, 2, 1])))
    np.testing.assert_array_equal(checked.batch(np.array([2, 0]))["label"], [1, 0])
    with pytest.raises(UserError, match=r"example 1 of the training split has no label \(-1\)"):
        checked.batch(np.array([0, 1]))


def test_features_of_labelled_examples():
    features, label = np.arange(6.0, dtype=np.float32).reshape(3, 2), np.array([4, -1, 0])
    known = {"label": label, "weight": np.array([7.0, 8.0, 9.0])}
    whole = Features(features, known)
    assert whole.label is None  # no probe takes -1 for a class
    some = whole.labelled()
    assert some.label.tolist() == [4, 0]
    assert some.known["weight"].tolist() == [7, 9]
    np.testing.assert_array_equal(some.features, features[[0, 2]])
    assert Features(features, {"label": np.full(3, -1)}).labelled().label is None


@pytest.mark.slow
def test_probes_leave_unlabelled_examples_out():
    """Scores are those of the labelled examples alone."""
    random = np.random.default_rng(0)
    label = random.integers(0, 3, 60)
    features = (np.eye(3)[label] + random.normal(0, 0.7, (60, 3))).astype(np.float32)
    missing = random.permutation(60)[:25]
    holes = label.copy()
    holes[missing] = -1
    kept = np.setdiff1d(np.arange(60), missing)
    options = {
        "n_classes": 3,
        "k": 5,
        "temperature": 0.1,
        "seeds": (0,),
        "shares": (),
        "bin_width": 1.0,
    }

    def score(rows, label):
        features_of = Features(features[rows], {"label": label[rows].astype(np.int32)})
        scores = measure(features_of, features_of, **options)
        return scores["knn"]["top1"], scores["linear"]["top1"]

    assert score(np.arange(60), holes) == score(kept, label)
    none = Features(features, {"label": np.full(60, -1)})
    assert "knn" not in measure(none, none, **options)
