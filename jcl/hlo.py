"""Reads the text of a compiled program: its instructions, and how often each one runs.

`compiled.as_text()` is the one public form of what XLA made of a program.
"""

import dataclasses
import math
import re
from collections import Counter

# They run computations of instructions that read and write memory on their own.
CONTROL = ("while", "conditional", "call", "async-start")
_BITS = re.compile(r"\d+")
_ARRAY = re.compile(r"\b(pred|bf16|[sufc]\d\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%(\S+) \(.*\{$")
_INSTRUCTION = re.compile(r"^ +(ROOT )?%(\S+) = (.*)$")
_NAME = re.compile(r"%([\w.-]+)")
_CALLED = re.compile(
    r"\b(?:calls|to_apply|body|condition|true_computation|false_computation)=%([\w.-]+)"
)
_BRANCHES = re.compile(r"\bbranch_computations=\{([^}]*)\}")
_KNOWN_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Array:
    """One array that an instruction makes.

    Attributes:
        shape: its sizes.
        bits: of one element.
        in_memory: False where it lies in a cache that the compiler manages, such as a TPU's VMEM.
    """

    shape: tuple[int, ...]
    bits: int
    in_memory: bool

    @property
    def elements(self) -> int:
        """How many it has."""
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
        opcode: what it does.
        result: what it makes; several arrays where that is a tuple.
        operands: names of the instructions whose results it reads.
        literal: what stands between the parentheses; the value of a constant.
        attributes: the rest of the line.
        calls: names of the computations that it runs, the body of a loop among them.
        is_root: its result is that of its computation.
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
        entry: the name of the computation that it starts with.
        computations: by name; each holds its instructions by name, in order.
    """

    entry: str
    computations: dict[str, Computation]


def parse(text: str) -> Program:
    """Reads what `compiled.as_text()` returns."""
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
    """Splits text that begins with a parenthesis behind the one that closes it."""
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
        # Memory space 0 is not written; 5 is the host's, which no roofline of ours has.
        yield Array(sizes, int(bits.group()) if bits else 8, not re.search(r"S\(\d+\)", layout))


@dataclasses.dataclass(frozen=True)
class Runs:
    """How often each computation runs in one run of the program.

    Attributes:
        total: by computation, without those that never run.
        loops_once: the same if the body of every loop ran once, as XLA's own analysis has it.
        inside: computations that are part of one instruction: fusions, and what reductions apply.
        unknown: loops that run an unknown number of times, and count once.
    """

    total: dict[str, int]
    loops_once: dict[str, int]
    inside: frozenset[str]
    unknown: tuple[str, ...]


def count_runs(program: Program) -> Runs:
    """Counts runs from the trip counts of loops; branches of a conditional count once each."""
    total, loops_once = Counter(), Counter()
    inside, unknown = set(), []

    def visit(name: str, times: int) -> None:
        total[name] += times
        loops_once[name] += 1
        computation = program.computations[name]
        for instruction in computation.values():
            # The pieces of an asynchronous operation all name what its start runs.
            if instruction.opcode in ("async-update", "async-done"):
                continue
            each = times
            if instruction.opcode == "while":
                trips = trip_count(program, computation, instruction)
                if trips is None:
                    unknown.append(instruction.name)
                each *= 1 if trips is None else trips
            if instruction.opcode not in CONTROL:
                inside.update(instruction.calls)
            for called in instruction.calls:
                visit(called, each)

    visit(program.entry, 1)
    return Runs(dict(total), dict(loops_once), frozenset(inside), tuple(unknown))


def trip_count(program: Program, computation: Computation, loop: Instruction) -> int | None:
    """How often the body of a while loop runs; None where that is not a constant.

    Args:
        program: the whole.
        computation: that the loop stands in.
        loop: the instruction.
    """
    if known := _KNOWN_TRIPS.search(loop.attributes):
        return int(known.group(1))
    # XLA for TPUs does not write it down, but a loop of constant length counts: state[i] begins at
    # a constant, the condition is that it is below another, and the body adds a third.
    body = program.computations[loop.attribute(r"\bbody=%([\w.-]+)")]
    condition = program.computations[loop.attribute(r"\bcondition=%([\w.-]+)")]
    compare = _source(condition, _root(condition).name)
    if compare.opcode != "compare" or "direction=LT" not in compare.attributes:
        return None
    counter, limit = (_source(condition, name) for name in compare.operands)
    index = _state_index(counter)
    if index is None:
        return None
    initial = _source(computation, loop.operands[0])
    if initial.opcode != "tuple":
        return None
    start = _constant(_source(computation, initial.operands[index]))
    if _state_index(limit) is not None:  # a constant that was moved out of the loop
        limit = _source(computation, initial.operands[_state_index(limit)])
    stop = _constant(limit)
    step = _step(body, index)
    if start is None or stop is None or not step or step < 0:
        return None
    return max(0, math.ceil((stop - start) / step))


def _step(body: Computation, index: int) -> int | None:
    after = _source(body, _source(body, _root(body).name).operands[index])
    if after.opcode != "add":
        return None
    terms = [_source(body, name) for name in after.operands]
    steps = [_constant(term) for term in terms if _state_index(term) != index]
    return steps[0] if len(steps) == 1 else None


def _root(computation: Computation) -> Instruction:
    return next(instruction for instruction in computation.values() if instruction.is_root)


def _source(computation: Computation, name: str) -> Instruction:
    """The instruction behind copies."""
    instruction = computation[name]
    while instruction.opcode in ("copy", "bitcast", "copy-done", "copy-start"):
        instruction = computation[instruction.operands[0]]
    return instruction


def _state_index(instruction: Instruction) -> int | None:
    if instruction.opcode != "get-tuple-element":
        return None
    return int(instruction.attribute(r"\bindex=(\d+)"))


def _constant(instruction: Instruction) -> int | None:
    if instruction.opcode != "constant" or not re.fullmatch(r"-?\d+", instruction.literal):
        return None
    return int(instruction.literal)
