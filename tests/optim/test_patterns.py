"""What a pattern stands for."""

import pytest

from jcl.errors import UserError
from jcl.optim.patterns import check_pattern, matches

NAMES = (
    "encoder/block1/kernel",
    "encoder/block10/kernel",
    "momentum/encoder/block1/kernel",
    "encoder2/kernel",
)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("encoder/block1", NAMES[:1]),
        ("encoder/block1/", NAMES[:1]),
        ("encoder/block1/k.*", NAMES[:1]),
        ("en.*r/block1", NAMES[:1]),
        ("encoder", NAMES[:2]),
        ("kernel", ()),
        ("", ()),
        (".*", NAMES),
    ],
)
def test_whole_parts_are_matched_from_the_start_of_the_name(pattern, matched):
    assert tuple(name for name in NAMES if matches(pattern, name)) == matched


def test_what_is_no_regular_expression_is_named():
    with pytest.raises(UserError, match=r"frozen: 'encoder/\(' is not a regular expression: "):
        check_pattern("frozen", "encoder/(")
