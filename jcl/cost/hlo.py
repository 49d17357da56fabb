"""Reads the text of a compiled program into its instructions.

`compiled.as_text()` is the only public form of XLA's compiled program.
"""

import dataclasses
import math
import re

_BITS = re.compile(r"\d+")
_ARRAY = re.compile(r"\b(pred|bf16|[sufc]\d\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%(\S+) \(.*\{$")
_INSTRUCTION = re.compile(r"^ +(ROOT )?%(\S+) = (.*)$")
_NAME = re.compile(r"%([\w.-]+)")
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|true_computation|false_computation)=%([\w.-]+)"
)
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class Array:
    """One array in the result of an instruction.

    Attributes:
        shape: its sizes.
        bits: of one element.
        in_memory: False if it is in a memory that the compiler manages, such as a TPU's VMEM.
    """

    shape: tuple[int, ...]
    bits: int
    in_memory: bool

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes, without padding."""
        return math.ceil(self.elements * self.bits / 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: unique in the program.
        opcode: its operation.
        result: its result; several arrays for a tuple.
        operands: names of the instructions whose results it reads.
        literal: the text between the parentheses; the value of a constant.
        attributes: the rest of the line.
        calls: names of the computations that it runs, such as the body of a loop.
        is_root: whether its result is that of its computation.
    """

    name: str
    opcode: str
    result: tuple[Array, ...]
    operands: tuple[str, ...]
    literal: str
    attributes: str
    calls: tuple[str, ...]
    is_root: bool

    def attribute(self, pattern: str) -> str | None:
        """The first group of a regular expression in the attributes, or None."""
        found = re.search(pattern, self.attributes)
        return found and found.group(1)


Computation = dict[str, Instruction]


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program.

    Attributes:
        entry: the name of the first computation.
        computations: by name; each holds its instructions by name, in order.
    """

    entry: str
    computations: dict[str, Computation]


def parse(text: str) -> Program:
    """Parses the text of `compiled.as_text()`."""
    entry, computations, current = "", {}, {}
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            current = computations[head.group(2)] = {}
            entry = head.group(2) if head.group(1) else entry
        elif found := _INSTRUCTION.match(line):
            instruction = _instruction(*found.groups())
            current[instruction.name] = instruction
    return Program(entry, computations)


def _instruction(root: str | None, name: str, text: str) -> Instruction:
    text = re.sub(r"/\*.*?\*/", "", text)
    result, rest = _cut(text) if text.startswith("(") else text.split(" ", 1)
    opcode, _, rest = rest.strip().partition("(")
    literal, attributes = _cut("(" + rest)
    branches = _NAME.findall("".join(_BRANCHES.findall(attributes)))
    return Instruction(
        name=name,
        opcode=opcode,
        result=tuple(_arrays(result)),
        operands=tuple(_NAME.findall(literal)),
        literal=literal[1:-1],
        attributes=attributes,
        calls=(*_CALLED.findall(attributes), *branches),
        is_root=root is not None,
    )


def _cut(text: str) -> tuple[str, str]:
    """Splits text that begins with a parenthesis after the matching closing one."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if not depth:
            return text[: i + 1], text[i + 1 :]
    return text, ""


def _arrays(text: str):
    for element_type, shape, layout in _ARRAY.findall(text):
        sizes = tuple(int(size) for size in shape.split(",") if size)
        bits = _BITS.search(element_type)
        # Memory space 0 is not written. 5 is the host's memory, which our roofline does not
        # include.
        yield Array(sizes, int(bits.group()) if bits else 8, not re.search(r"S\(\d+\)", layout))
