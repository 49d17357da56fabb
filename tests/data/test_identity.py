"""jcl/data/identity.py: what tells a split from another."""

import json

import numpy as np
import pytest
from ml_collections import ConfigDict

from jcl.data import InMemorySource
from jcl.data.identity import files_of, identity, identity_changes, identity_number
from jcl.errors import UserError


def source(n=100, size=4, classes=3, names=None, **changed):
    random = np.random.RandomState(0)
    arrays = {
        "image": random.randint(0, 256, (n, size, size, 3), np.uint8),
        "label": random.randint(0, classes, n).astype(np.int32),
    }
    return InMemorySource({**arrays, **changed}, n_classes=classes, class_names=names)


def changes(now, before=None):
    saved = json.loads(json.dumps(identity(source() if before is None else before)))
    return identity_changes(saved, identity(now))


def test_the_same_data_read_again_are_the_same():
    assert changes(source()) == []
    assert identity_number(identity(source())) == identity_number(identity(source()))
    assert identity_number(identity(source())) != identity_number(identity(source(n=99)))


def test_each_difference_is_named():
    assert changes(source(n=90)) == ["data, number of examples: 100 -> 90"]
    assert "data, number of classes: 3 -> 4" in changes(source(classes=4))
    assert changes(source(size=5)) == [
        "data, image of an example: uint8[4, 4, 3] -> uint8[5, 5, 3]"
    ]
    named = source(names=("a", "b", "c"))
    renamed = changes(source(names=("a", "x", "c")), named)
    assert renamed == ["data, name of a class: 'b' -> 'x'"]
    assert changes(source(names=("a", "b", "c"))) == []  # a run that had no names


def test_other_values_of_some_examples_are_noticed_key_by_key():
    image = source().arrays["image"].copy()
    image[-1, 0, 0, 0] ^= 1  # of the last example, which is always looked at
    (said,) = changes(source(image=image))
    assert said.startswith("data, image of some of 16 examples")


def test_what_comes_besides_changes_nothing_and_what_is_gone_does():
    more = source(target=np.zeros(100, np.float32))
    assert changes(more) == []
    assert changes(source(), more) == ["data, target of an example: float32[] -> none"]


def test_another_content_of_a_file_that_chooses_examples_is_noticed(tmp_path):
    """One row of many differs, of which none may be among the examples that are compared."""
    path = tmp_path / "some.npz"
    files = files_of(ConfigDict({"subset": str(path), "groups": None, "dir": "elsewhere"}))
    assert files == {"data.subset": str(path), "data.groups": None}
    path.write_bytes(b"0 1 2")
    before = json.loads(json.dumps(identity(source(), files)))
    assert identity_changes(before, identity(source(), files)) == []
    path.write_bytes(b"0 1 3")
    now = identity(source(), files)
    assert identity_number(now) != identity_number(before)
    said = "data.subset: the file holds something else than when the run began"
    assert identity_changes(before, now) == [said]
    assert identity_changes(before, identity(source())) == []  # which the options themselves tell
    older = {key: value for key, value in before.items() if key != "files"}
    assert identity_changes(older, now) == []
    path.unlink()
    with pytest.raises(UserError, match=r"data\.subset=.*some\.npz cannot be read: No such file"):
        identity(source(), files)


def test_a_source_that_draws_has_no_hash():
    class Drawing(InMemorySource):
        def batch(self, indices):
            examples = super().batch(indices)
            return {**examples, "image": np.random.randint(0, 256, examples["image"].shape)}

    drawing = Drawing(source().arrays, n_classes=3)
    assert [*identity(drawing)["sha256"]] == ["label"]
    assert changes(drawing, drawing) == []
