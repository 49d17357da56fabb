"""A table of names: ours, theirs, and how an array is laid out in either."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jcl.errors import UserError


@dataclasses.dataclass(frozen=True)
class Layout:
    """How an array of ours becomes theirs, and the other way about.

    Attributes:
        to_theirs: our array -> theirs.
        to_ours: their array -> ours.
    """

    to_theirs: Callable[[np.ndarray], np.ndarray]
    to_ours: Callable[[np.ndarray], np.ndarray]


SAME = Layout(lambda x: x, lambda x: x)
# Theirs are [out, in], ours [in, out].
DENSE = Layout(np.transpose, np.transpose)
# Theirs are [out, in, height, width], ours [height, width, in, out].
CONV = Layout(lambda x: x.transpose(3, 2, 0, 1), lambda x: x.transpose(2, 3, 1, 0))


def with_axes_of_one(count: int) -> Layout:
    """Theirs have axes of size one before ours."""
    return Layout(lambda x: x[(None,) * count], lambda x: x.reshape(x.shape[count:]))


def patches(size: int) -> Layout:
    """Theirs is a convolution [D, C, p, p], ours a product with flattened patches [p p C, D].

    Args:
        size: p, the side of a patch in pixels.
    """
    return Layout(
        lambda x: CONV.to_theirs(x.reshape(size, size, -1, x.shape[-1])),
        lambda x: CONV.to_ours(x).reshape(-1, x.shape[0]),
    )


@dataclasses.dataclass(frozen=True)
class Rule:
    """One line of a table.

    Attributes:
        ours: a regular expression for the whole name of a parameter of an encoder of ours.
        theirs: their name. `{1}` stands for the number in the first group of `ours`, `{1+1}` for
            one more.
        layout: of the two arrays.
        part: (k, n) where ours is the k-th of n equal parts of theirs, along its first axis.
    """

    ours: str
    theirs: str
    layout: Layout = SAME
    part: tuple[int, int] | None = None

    def their_name(self, name: str) -> str | None:
        """Their name of a parameter of ours; None where the rule does not stand for it."""
        found = re.fullmatch(self.ours, name)
        if found is None:
            return None
        return re.sub(
            r"\{(\d)(\+1)?\}",
            lambda m: str(int(found[int(m[1])]) + 1) if m[2] else found[int(m[1])],
            self.theirs,
        )


def dense(ours: str, theirs: str) -> tuple[Rule, ...]:
    """The rules of a Dense layer and PyTorch's Linear, in any form that `Rule` takes."""
    return Rule(f"{ours}/kernel", f"{theirs}.weight", DENSE), Rule(f"{ours}/bias", f"{theirs}.bias")


def norm(ours: str, theirs: str, scale: str = "weight", bias: str = "bias") -> tuple[Rule, ...]:
    """The rules of a LayerNorm, whose scale and bias have these names there."""
    return Rule(f"{ours}/scale", f"{theirs}.{scale}"), Rule(f"{ours}/bias", f"{theirs}.{bias}")


def joined_attention(ours: str, weight: str, bias: str) -> tuple[Rule, ...]:
    """The rules of an attention's queries, keys and values, which are one array there.

    Args:
        ours: of the attention, in any form that `Rule` takes.
        weight: their name of the three kernels in one.
        bias: of the three biases.
    """
    return tuple(
        Rule(f"{ours}/{name}/{leaf}", theirs, layout, (k, 3))
        for k, name in enumerate(("query", "key", "value"))
        for leaf, theirs, layout in (("kernel", weight, DENSE), ("bias", bias, SAME))
    )


Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Table:
    """The names that a library gives to the parameters of a kind of network.

    Attributes:
        library: whose names they are, for messages.
        rules: of which the first that matches a name counts.
        ignored: regular expressions for names of theirs that have no counterpart here, such as
            those of a classifier.
        options: pairs of a regular expression for names of theirs, and the option of an encoder
            that a network with such a parameter needs.
        prefix: of all names in files that are written; in files that are read there may be any.
        landmark: a name of theirs that no other network of a file has. All of the network's names
            have the prefix of this one there. None: the prefix that most of them have.
        merged: takes up arrays of theirs that have no counterpart here in those that have one.
        completed: adds the arrays that theirs has besides.
        untold: the network's options that no array tells (`jcl.weights.untold`).
        tower: which part describes the network in a config of two towers, "vision" or "text".
    """

    library: str
    rules: Sequence[Rule]
    ignored: Sequence[str] = ()
    options: Sequence[tuple[str, str]] = ()
    prefix: str = ""
    landmark: str | None = None
    merged: Callable[[Arrays], Arrays] = lambda arrays: arrays
    completed: Callable[[Arrays], Arrays] = lambda arrays: arrays
    untold: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tower: str = "vision"

    def rule(self, name: str) -> tuple[Rule, str]:
        """The rule for a parameter of ours, and their name of it.

        Raises:
            UserError: no rule stands for it.
        """
        for rule in self.rules:
            if (theirs := rule.their_name(name)) is not None:
                return rule, theirs
        raise UserError(f"{self.library} has no name for the parameter {name!r}")

    def to_theirs(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """All arrays of an encoder of ours under their names.

        Raises:
            UserError: a parameter has no name there.
        """
        parts: dict[str, dict[int, np.ndarray]] = {}
        for name, array in arrays.items():
            rule, theirs = self.rule(name)
            at = 0 if rule.part is None else rule.part[0]
            parts.setdefault(theirs, {})[at] = rule.layout.to_theirs(np.asarray(array))
        whole = {
            name: np.ascontiguousarray(np.concatenate([found[at] for at in sorted(found)]))
            if len(found) > 1
            else np.ascontiguousarray(found[0])
            for name, found in parts.items()
        }
        return {self.prefix + name: array for name, array in self.completed(whole).items()}


def their_part(rule: Rule, array: np.ndarray) -> np.ndarray:
    """The part of an array of theirs that a rule is about, in our layout."""
    if rule.part is not None:
        at, count = rule.part
        if array.shape[0] % count:
            raise ValueError(f"its first axis is no multiple of {count}")
        array = np.split(array, count)[at]
    return rule.layout.to_ours(array)
