"""What signatures say of options."""

import functools
from collections.abc import Sequence
from typing import Annotated

from jcl.config.options import FREE_ON_RESUME, descriptions, options, owner, takes_any_keyword


def thing(
    supplied: int,
    other,
    needed: int,
    whole: int = 3,
    *,
    share: float | None = None,
    either: int | float = 1,
    name: str = "ours",
    label: str = "x",
    widths: Sequence[int] = (1, 2),
    mixed: int | str = 1,
    place: str | tuple | None = None,
    folder: Annotated[str | None, FREE_ON_RESUME] = None,
    callback: object.__class__ = type,
    bare=0.5,
    unknown=None,
    must,
    dtype: str = "float32",
):
    """A thing.

    Args:
        supplied: by the run.
        whole: a number
            of two lines.
        share: another.
    """


def test_types_and_defaults():
    found = {
        name: (o.kind, o.default, o.nullable) for name, o in options(thing, supplied=1).items()
    }
    assert found == {
        "needed": (int, None, False),
        "whole": (int, 3, False),
        "share": (float, None, True),
        "either": (float, 1, False),
        "label": (str, "x", False),
        "widths": (tuple, (1, 2), False),
        "mixed": (object, 1, False),
        "place": (object, None, True),
        "folder": (str, None, True),
        "bare": (float, 0.5, False),
        "unknown": (object, None, True),
        "must": (object, None, False),
    }
    taken = options(thing, supplied=1)
    assert {key: taken[key].kind_name for key in ("mixed", "place", "either", "unknown")} == {
        "mixed": "int|str",
        "place": "str|tuple",
        "either": "float",
        "unknown": "object",
    }
    assert [name for name, o in options(thing, supplied=1).items() if o.free_on_resume] == [
        "folder"
    ]


def test_a_partial_has_its_own_defaults():
    assert options(functools.partial(thing, whole=5))["whole"].default == 5
    assert "needed" not in options(functools.partial(thing, 1, 2, 3))


def anything(split, *, size: int = 8, **rest):
    pass


def test_a_function_of_any_keyword_takes_what_others_do():
    assert takes_any_keyword(anything)
    assert not takes_any_keyword(thing)
    found = options(
        anything,
        supplied=1,
        others={"size": options(thing)["share"], "bare": options(thing)["bare"]},
    )
    assert {name: o.kind for name, o in found.items()} == {"size": int, "bare": float}


class Base:
    """Base.

    Attributes:
        temperature: of the base.
    """

    temperature: float = 0.1


class Sub(Base):
    """Sub.

    Attributes:
        decay: of the sub.
    """

    temperature: float = 0.5
    decay: float = 0.9


class Other(Base):
    decay: float = 0.9


def test_the_owner_is_the_class_that_declares_an_option_first():
    assert owner(Sub, "temperature") is owner(Other, "temperature") is Base
    assert owner(Sub, "decay") is Sub
    assert owner(functools.partial(Sub), "decay") is Sub
    assert owner(thing, "whole") == "whole"


def test_descriptions_are_those_of_docstrings_inherited_ones_too():
    assert descriptions(thing)["whole"] == "a number of two lines."
    assert descriptions(Sub) == {"temperature": "of the base.", "decay": "of the sub."}
