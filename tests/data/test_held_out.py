"""jcl/data/held_out.py: a part of the training split instead of the test split."""

import numpy as np
import pytest

from jcl.data import InMemorySource, open_source
from jcl.data.held_out import held_out_rows
from jcl.data.rows import Rows
from jcl.errors import UserError
from jcl.experiment import open_split, read_command_line
from tests.tiny import tiny_config


def numbered(n):
    return InMemorySource({"features": np.arange(n, dtype=np.float32)[:, None]}, class_names=("a",))


def held_out_part(split, train, share):
    return Rows(train, held_out_rows(split, len(train), share))


def values(source):
    return source.batch(np.arange(len(source)))["features"][:, 0]


def test_the_two_parts_are_all_training_examples_once():
    train, test = (held_out_part(split, numbered(50), 0.3) for split in ("train", "test"))
    assert (len(train), len(test)) == (35, 15)
    for part in (train, test):
        assert (np.diff(values(part)) > 0).all()
        assert part.class_names == ("a",)
    assert sorted([*values(train), *values(test)]) == list(range(50))
    # They are spread, and not the last ones.
    assert values(test).min() < 15
    assert np.ptp(values(test)) > 25


def test_test_examples_stay_unseen():
    sizes = {"train_examples": 20, "test_examples": 7}
    whole = open_source("shapes", "train", **sizes).arrays["image"]
    parts = [open_source("shapes", split, held_out=0.25, **sizes) for split in ("train", "test")]
    images = np.concatenate([part.batch(np.arange(len(part)))["image"] for part in parts])
    assert sorted(x.tobytes() for x in images) == sorted(x.tobytes() for x in whole)


def test_a_config_names_it():
    config, _, _ = read_command_line(tiny_config(), ["--config.data.held_out=0.5"])
    assert len(open_split(config, "train")) == len(open_split(config, "test"))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, 0.001, float("nan")])
def test_a_part_without_examples_is_refused(share):
    with pytest.raises(UserError, match=r"data\.held_out="):
        held_out_part("train", numbered(10), share)
