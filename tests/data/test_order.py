import dataclasses
import hashlib
import itertools
import pickle
import struct
from collections import Counter

import numpy as np
import pytest

from jcl.data import order
from jcl.data.dataset_shape import images_of
from jcl.errors import UserError


def epoch_values(n, batch_size, seed, epoch):
    steps = n // batch_size
    return np.concatenate(
        [
            order.batch_indices(epoch * steps + i, n=n, batch_size=batch_size, seed=seed)
            for i in range(steps)
        ]
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 16, 17, 97, 1000, 12345])
def test_permute_is_a_permutation(n):
    for seed, epoch in [(0, 0), (0, 1), (1, 0), (-1, 3), (2**64 - 1, 10**9)]:
        values = order.permute(np.arange(n), n=n, seed=seed, epoch=epoch)
        np.testing.assert_array_equal(np.sort(values), np.arange(n))


@pytest.mark.parametrize(("n", "batch_size"), [(10, 5), (10, 4), (7, 7), (1, 1), (1003, 100)])
def test_an_epoch_holds_no_example_twice_and_no_batch_straddles_it(n, batch_size):
    for epoch in range(3):
        values = epoch_values(n, batch_size, seed=5, epoch=epoch)
        assert len(values) == n // batch_size * batch_size
        assert len(set(values.tolist())) == len(values)
        assert 0 <= values.min() <= values.max() < n
        # The batches are slices of one permutation, whatever the batch size.
        whole = order.permute(np.arange(n), n=n, seed=5, epoch=epoch)
        np.testing.assert_array_equal(values, whole[: len(values)])


def test_batch_size_changes_batches_but_not_the_permutation():
    np.testing.assert_array_equal(epoch_values(60, 4, 9, 0), epoch_values(60, 10, 9, 0))


@pytest.mark.parametrize(
    ("step", "n", "batch_size", "seed", "expected", "digest"),
    [
        (0, 10, 4, 0, [5, 9, 7, 4], "b05fc291a17521d9"),
        (1, 10, 4, 0, [0, 6, 1, 2], "294f9ec97f4cf5e0"),
        (2, 10, 4, 0, [4, 8, 9, 7], "481e9d011d367e96"),
        (0, 10, 4, 1, [7, 3, 5, 0], "af964946d4b8f4cf"),
        (7, 1281167, 5, 42, [89907, 1125002, 663496, 131049, 904633], "cff30299968542ba"),
        (3, 6 * 10**9, 3, 2**63, [5441679720, 402485878, 4066044537], "b9e9858dd2f3d900"),
    ],
)
def test_order_is_pinned(step, n, batch_size, seed, expected, digest):
    """A change here would change the order of every run that is under way."""
    indices = order.batch_indices(step, n=n, batch_size=batch_size, seed=seed)
    assert indices.dtype == np.int64
    assert indices.tolist() == expected
    assert order.batch_hash(indices) == digest


def test_batch_hash_is_sha256_of_little_endian_int64():
    data = struct.pack("<3q", 3, 0, 2**40)
    expected = hashlib.sha256(data).hexdigest()[:16]
    assert order.batch_hash(np.array([3, 0, 2**40])) == expected


def test_seeds_and_epochs_all_differ():
    permutations = {
        tuple(order.permute(np.arange(50), n=50, seed=seed, epoch=epoch))
        for seed, epoch in itertools.product(range(30), range(30))
    }
    assert len(permutations) == 900


def test_all_permutations_of_four_are_equally_likely():
    counts = Counter(
        tuple(order.permute(np.arange(4), n=4, seed=0, epoch=e).tolist()) for e in range(2400)
    )
    chi2 = sum((c - 100) ** 2 / 100 for c in counts.values())
    assert len(counts) == 24
    assert chi2 < 55  # 23 degrees of freedom: p = 0.0002


def test_values_do_not_depend_on_position():
    n, epochs = 30, 1500
    values = np.stack([order.permute(np.arange(n), n=n, seed=1, epoch=e) for e in range(epochs)])
    expected = epochs / n
    chi2 = sum(((np.bincount(v, minlength=n) - expected) ** 2 / expected).sum() for v in values.T)
    freedom = (n - 1) ** 2
    assert abs(chi2 - freedom) < 4 * (2 * freedom) ** 0.5
    # Nor does a value tell its neighbour: differences modulo n are uniform over 1..n - 1.
    steps = np.bincount((np.diff(values, axis=1) % n).ravel(), minlength=n)
    assert steps[0] == 0
    assert np.abs(steps[1:] / steps[1:].mean() - 1).max() < 0.1


def test_too_large_batch_names_both_numbers():
    assert order.steps_per_epoch(10, 3) == 3
    with pytest.raises(UserError, match=r"batch_size=11 .*10 examples"):
        order.steps_per_epoch(10, 11)
    with pytest.raises(UserError, match="batch_size=0"):
        order.steps_per_epoch(10, 0)
    with pytest.raises(UserError, match="batch_size=5"):
        order.batch_indices(0, n=4, batch_size=5, seed=0)


GROUPS = np.array([3] * 9 + [1] * 4 + [8] * 13 + [2] * 3)[np.random.RandomState(5).permutation(29)]


def grouped_order(seed=0):
    data = dataclasses.replace(images_of(1, 1, 1, examples=29), read_groups=lambda: GROUPS)
    return order.grouped(data, batch_size=4, seed=seed)


def test_an_epoch_of_groups_has_all_full_batches_of_each_and_no_example_twice():
    made = grouped_order()
    assert made.steps_per_epoch == 2 + 1 + 3 + 0
    for epoch in (0, 1):
        batches = [made.batch_indices(6 * epoch + step) for step in range(6)]
        groups = [np.unique(GROUPS[batch]) for batch in batches]
        assert all(len(group) == 1 for group in groups)
        assert sorted(np.concatenate(groups).tolist()) == [1, 3, 3, 8, 8, 8]
        together = np.concatenate(batches)
        assert len(np.unique(together)) == 24


def test_epochs_and_seeds_order_groups_anew_and_any_step_is_its_own():
    made, other = grouped_order(), grouped_order(seed=1)
    epochs = [[made.batch_indices(6 * e + s).tolist() for s in range(6)] for e in range(4)]
    assert len({str(epoch) for epoch in epochs}) == 4
    # Which batch holds whom changes too, and the place of a group's batches in the epoch.
    assert len({str(sorted(map(sorted, epoch))) for epoch in epochs}) == 4
    assert len({str([GROUPS[b[0]] for b in epoch]) for epoch in epochs}) > 1
    assert epochs[0] != [other.batch_indices(s).tolist() for s in range(6)]
    again = pickle.loads(pickle.dumps(grouped_order().batch_indices))
    assert again(13).tolist() == epochs[2][1]


def test_one_group_is_the_usual_order_bit_for_bit():
    data = dataclasses.replace(
        images_of(1, 1, 1, examples=29), read_groups=lambda: np.full(29, 7, np.int32)
    )
    made, usual = (make(data, batch_size=4, seed=3) for make in (order.grouped, order.shuffled))
    assert made.steps_per_epoch == usual.steps_per_epoch
    for step in range(16):
        np.testing.assert_array_equal(made.batch_indices(step), usual.batch_indices(step))


def test_groups_that_are_missing_or_too_small():
    with pytest.raises(UserError, match="need an integer `group` for every example"):
        order.grouped(images_of(1, 1, 1, examples=29), batch_size=4, seed=0)
    data = dataclasses.replace(images_of(1, 1, 1, examples=29), read_groups=lambda: GROUPS)
    with pytest.raises(UserError, match="batch_size=16 is larger than the largest of 4 groups"):
        order.grouped(data, batch_size=16, seed=0)


def test_the_usual_order_is_the_permutation_of_the_epoch():
    made = order.shuffled(images_of(1, 1, 1, examples=29), batch_size=4, seed=3)
    assert made.steps_per_epoch == 7
    expected = order.batch_indices(9, n=29, batch_size=4, seed=3)
    np.testing.assert_array_equal(made.batch_indices(9), expected)
