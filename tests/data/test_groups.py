"""data.groups: a group for every example, and batches of one group each."""

import numpy as np
import pytest

from jcl.data import InMemorySource, open_source
from jcl.data.dataset_shape import shape_of
from jcl.data.groups import GROUPS, Grouped
from jcl.data.side_file import write_side_file
from jcl.data.subset import INDICES
from jcl.errors import UserError
from jcl.experiment import make_experiment, open_split, read_command_line
from tests.tiny import tiny_config

VALUES = np.arange(40) % 3 // 2 * 5  # of three examples two are of group 0, and one of group 5


def shapes(split="train", **more):
    return open_source("shapes", split, train_examples=40, test_examples=7, **more)


def written(folder, key, values):
    path = folder / f"{key}.npz"
    write_side_file(path, key, np.asarray(values), name="shapes", train=shapes())
    return str(path)


def groups_of(source):
    return source.batch(np.arange(len(source)))["group"]


def test_training_examples_have_their_groups(tmp_path):
    path = written(tmp_path, GROUPS, VALUES)
    train = shapes(groups=path)
    assert (len(train), train.image_shape, train.n_classes) == (40, (32, 32, 3), 8)
    found = groups_of(train)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, VALUES)
    assert "group" not in shapes("test", groups=path).batch(np.arange(2))
    # Groups go along with a choice of examples.
    some = written(tmp_path, INDICES, [2, 3, 5, 30])
    np.testing.assert_array_equal(groups_of(shapes(groups=path, subset=some)), [5, 0, 5, 0])
    held = [shapes(split, groups=path, held_out=0.25) for split in ("train", "test")]
    assert sum(map(len, held)) == 40
    assert sorted(np.concatenate([groups_of(part) for part in held])) == sorted(VALUES)


def test_a_config_trains_on_batches_of_one_group(tmp_path):
    path = written(tmp_path, GROUPS, VALUES)
    flags = "--config.data.train_examples=40", "--config.batch_size=8"
    config, _, _ = read_command_line(tiny_config(), [*flags, f"--config.data.groups={path}"])
    experiment = make_experiment(config, shape_of(open_split(config, "train")))
    assert experiment.length.steps_per_epoch == 27 // 8 + 13 // 8
    batches = [experiment.order.batch_indices(step) for step in range(4)]
    assert [len({*VALUES[batch]}) for batch in batches] == [1] * 4
    assert len(np.unique(np.concatenate(batches))) == 32


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = written(tmp_path, GROUPS, VALUES[:39])
    with pytest.raises(UserError, match=r"data\.groups=.* integer below 2\^31 for each of 40"):
        shapes(groups=path)
    with pytest.raises(UserError, match=r"data\.groups=.* was made for data\.name='shapes'"):
        open_source("shapes", "train", train_examples=41, groups=path)
    with_groups = InMemorySource({"features": np.zeros((2, 3)), "group": np.zeros(2)})
    with pytest.raises(UserError, match="have a group already"):
        Grouped(with_groups, np.arange(2), np.zeros(2, np.int32)).batch(np.arange(1))
