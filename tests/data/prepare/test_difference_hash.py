import numpy as np
import pytest

from jcl.data import InMemorySource
from jcl.data.prepare.difference_hash import difference_hashes, distinct_rows
from jcl.errors import UserError


def images(array):
    return InMemorySource({"image": np.asarray(array, np.uint8)})


def test_a_hash_is_the_signs_of_differences():
    """Images of 9 x 8 pixels are not resized, so the formula is short."""
    gray = np.random.RandomState(0).randint(0, 256, (20, 8, 9, 1))
    signs = np.diff(gray[..., 0].astype(int), axis=2) > 0
    expected = [int("".join("01"[int(bit)] for bit in image.ravel()), 2) for image in signs]
    assert difference_hashes(images(gray)).tolist() == expected
    of_colours = difference_hashes(images(np.repeat(gray, 3, axis=3)))
    assert of_colours.tolist() == expected


def test_brightness_and_contrast_change_no_bit_where_nothing_is_flat():
    gray = np.random.RandomState(0).randint(0, 100, (20, 32, 36, 1))
    darker, contrast = difference_hashes(images(gray)), difference_hashes(images(2 * gray + 20))
    assert np.bitwise_count(darker ^ contrast).mean() < 1  # where two pixels differ by a rounding
    assert difference_hashes(images(np.full((1, 20, 20, 3), 7)))[0] == 0


def greedy(hashes, distance):
    """The rule as its authors say it, on bits in Python's integers."""
    left, kept = list(range(len(hashes))), []
    while left:
        first = left[0]
        kept.append(first)
        left = [i for i in left if (int(hashes[i]) ^ int(hashes[first])).bit_count() > distance]
    return kept


def test_what_is_kept_is_apart_and_a_second_pass_keeps_all():
    random = np.random.RandomState(0)
    centres = random.randint(0, 2, (30, 64))
    bits = centres[random.randint(0, 30, 300)] ^ (random.uniform(size=(300, 64)) < 0.06)
    hashes = np.packbits(bits.astype(np.uint8), axis=1).view(">u8")[:, 0].astype(np.uint64)
    kept = distinct_rows(hashes)
    assert kept.tolist() == greedy(hashes, 6)
    assert 30 < len(kept) < 250
    apart = np.bitwise_count(hashes[kept][:, None] ^ hashes[kept])
    assert apart[~np.eye(len(kept), dtype=bool)].min() > 6
    assert distinct_rows(hashes[kept]).tolist() == list(range(len(kept)))
    # Exact duplicates collapse to the first of them.
    assert distinct_rows(np.concatenate([hashes, hashes])).tolist() == kept.tolist()
    assert distinct_rows(hashes, distance=64).tolist() == [0]
    assert len(distinct_rows(hashes, distance=0)) == len(np.unique(hashes))


def test_refuses_in_one_sentence():
    with pytest.raises(UserError, match="distance=-1"):
        distinct_rows(np.zeros(2, np.uint64), distance=-1)
    for source in (
        images(np.zeros((2, 4, 4, 2))),
        InMemorySource({"features": np.zeros((2, 3), np.float32)}),
    ):
        with pytest.raises(UserError, match="1, 3 or 4 channels"):
            difference_hashes(source)
