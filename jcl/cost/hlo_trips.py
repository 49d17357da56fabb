"""How often each computation of a compiled program runs, from the trip counts of its loops."""

import dataclasses
import math
import re
from collections import Counter

from jcl.cost.hlo import Computation, Instruction, Program

# Opcodes that run computations whose instructions read and write memory themselves.
CONTROL = ("while", "conditional", "call", "async-start")
_KNOWN_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Runs:
    """How often each computation runs in one run of the program.

    Attributes:
        total: by computation, without those that never run.
        loops_once: the same if the body of every loop ran once, as in XLA's own analysis.
        inside: computations that are part of one instruction: fusions, and functions of reductions.
        unknown: loops that run an unknown number of times; they count once.
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
            # All parts of an asynchronous operation name the computation of its start.
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
    """How often the body of a while loop runs; None if this is not a constant.

    Args:
        program: the whole program.
        computation: that contains the loop.
        loop: the instruction.
    """
    if known := _KNOWN_TRIPS.search(loop.attributes):
        return int(known.group(1))
    # XLA for TPUs does not write the trip count, but a loop of constant length can be recognised:
    # state[i] starts at a constant, the condition is that it is below a second constant, and the
    # body
    # adds a third.
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
    if _state_index(limit) is not None:  # a constant that XLA moved out of the loop
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
