"""Memory traffic and communication of a compiled program; loops count as often as they run."""

import dataclasses
import math
import re
from collections import Counter

from jcl.cost.hlo import Array, Computation, Instruction, Program
from jcl.cost.hlo_flops import count_instruction
from jcl.cost.hlo_trips import CONTROL, Runs, count_runs

# Bytes that one device of a group of n sends, as a share of the operand's bytes, on a ring, which
# is
# optimal. https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md
_SENT = {
    "all-gather": lambda n: n - 1,
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "reduce-scatter": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "ragged-all-to-all": lambda n: (n - 1) / n,
    "collective-broadcast": lambda n: 1,
    "collective-permute": lambda n: 1,
}
# Opcodes that move nothing, or that run computations which are counted.
_FREE = {
    *CONTROL,
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "iota"),
    *("partition-id", "replica-id", "opt-barrier", "async-update", "domain", "add-dependency"),
}
_SLICES = ("dynamic-slice", "slice", "gather")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Traffic of one device in one run of a program.

    Attributes:
        collective_bytes: bytes sent to other devices, by kind of operation.
        memory_bytes: bytes read from and written to device memory, without data that the compiler
            keeps in on-chip memory (a TPU's VMEM).
        further_bytes: bytes that operations read and write, in any memory, in the trips of loops
            after the first one, which XLA's own count lacks.
        further_flops: operations in the trips of loops after the first one.
        unknown_loops: number of loops that run an unknown number of times; they count once.
    """

    collective_bytes: dict[str, float]
    memory_bytes: float
    further_bytes: float
    further_flops: float
    unknown_loops: int


def measure_traffic(program: Program, *, devices: int) -> Traffic:
    """Adds up a program.

    Args:
        program: from `jcl.cost.hlo.parse`.
        devices: number of devices that it runs on.
    """
    runs = count_runs(program)
    memory = further_bytes = further_flops = 0.0
    for name, times in runs.total.items():
        further = times - runs.loops_once[name]
        computation = program.computations[name]
        for instruction in computation.values():
            if further:
                further_flops += further * count_instruction(computation, instruction)
            if name in runs.inside or instruction.opcode in _FREE:
                continue
            moved = list(_moved(program, computation, instruction))
            memory += times * sum(array.size for array in moved if array.in_memory)
            further_bytes += further * sum(array.size for array in moved)
    return Traffic(
        collective_bytes=_collectives(program, runs, devices),
        memory_bytes=memory,
        further_bytes=further_bytes,
        further_flops=further_flops,
        unknown_loops=len(runs.unknown),
    )


def _moved(program: Program, computation: Computation, instruction: Instruction):
    """The arrays, or the parts of arrays, that an instruction reads and writes."""
    opcode = instruction.opcode
    operands = [computation[name].result for name in instruction.operands]
    if opcode.endswith("-done"):
        return
    if opcode in ("copy-start", "slice-start"):  # its result names its operand too
        target = instruction.result[opcode == "slice-start"]
        yield target
        yield dataclasses.replace(target, in_memory=operands[0][0].in_memory)
    elif opcode in _SLICES:
        yield from instruction.result
        for array in instruction.result:
            yield dataclasses.replace(array, in_memory=operands[0][0].in_memory)
    elif opcode == "dynamic-update-slice":  # in place
        yield from operands[1]
        yield dataclasses.replace(operands[1][0], in_memory=operands[0][0].in_memory)
    elif opcode in ("fusion", "fusion-start"):
        yield from _moved_by_fusion(program.computations[instruction.calls[0]], operands)
    elif opcode == "custom-call" and 'custom_call_target="ConcatBitcast"' in instruction.attributes:
        return  # of slices that are already contiguous
    else:
        yield from instruction.result
        for arrays in operands:
            yield from arrays


def _moved_by_fusion(fused: Computation, operands: list[tuple[Array, ...]]):
    readers: dict[str, list[Instruction]] = {}
    for instruction in fused.values():
        for name in instruction.operands:
            readers.setdefault(name, []).append(instruction)

    def readers_of(name):
        for reader in readers.get(name, ()):
            if reader.opcode == "bitcast":
                yield from readers_of(reader.name)
            else:
                yield reader, name

    for parameter in fused.values():
        if parameter.opcode != "parameter":
            continue
        arrays = operands[int(parameter.literal)]
        uses = list(readers_of(parameter.name))
        if len(arrays) == 1 and all(_reads_a_part(reader, name) for reader, name in uses):
            for reader, _ in uses:
                if reader.opcode in _SLICES:
                    for array in reader.result:
                        yield dataclasses.replace(array, in_memory=arrays[0].in_memory)
        else:
            yield from arrays
    yield from _written(fused, next(i for i in fused.values() if i.is_root))


def _reads_a_part(reader: Instruction, name: str) -> bool:
    """True if the reader touches only a slice of the array, or overwrites part of it in place."""
    slices = (*_SLICES, "dynamic-update-slice")
    return (
        reader.opcode in slices and reader.operands[0] == name and name not in reader.operands[1:]
    )


def _written(fused: Computation, root: Instruction):
    while root.opcode == "bitcast":
        root = fused[root.operands[0]]
    if root.opcode == "tuple":
        for name in root.operands:
            yield from _written(fused, fused[name])
    elif root.opcode == "dynamic-update-slice":  # in place
        update = fused[root.operands[1]].result[0]
        yield dataclasses.replace(update, in_memory=root.result[0].in_memory)
    else:
        yield from root.result


def _collectives(program: Program, runs: Runs, devices: int) -> dict[str, float]:
    sent: Counter[str] = Counter()
    # XLA for TPUs may spread one operation over several fusions, under one channel.
    channels: dict[str, tuple[str, float]] = {}
    for name, times in runs.total.items():
        computation = program.computations[name]
        for instruction in computation.values():
            kind = instruction.opcode.removesuffix("-start")
            if kind not in _SENT:
                continue
            operands = [array for x in instruction.operands for array in computation[x].result]
            group = _group_size(instruction, devices)
            each = times * _SENT[kind](group) * sum(array.size for array in operands)
            channel = instruction.attribute(r"\bchannel_id=(\d+)")
            if name in runs.inside and channel is not None:
                channels[channel] = kind, max(each, channels.get(channel, (kind, 0))[1])
            else:
                sent[kind] += each
    for kind, each in channels.values():
        sent[kind] += each
    return {kind: float(size) for kind, size in sent.items()}


def _group_size(instruction: Instruction, devices: int) -> int:
    """From any of XLA's notations: a list, an iota, or axes of a mesh (JAX 0.11)."""
    if listed := instruction.attribute(r"\breplica_groups=\{\{([\d,]+)\}"):
        return len(listed.split(","))
    if size := instruction.attribute(r"\breplica_groups=\[\d+,(\d+)\]"):
        return int(size)
    if mesh := instruction.attribute(r"\breplica_groups=mesh\[([^]]*)\]"):
        axes = instruction.attribute(r"\breplica_groups=mesh\[[^{]*\{([^}]*)\}") or ""
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh))
        # An axis may be split: 'x':(2)4 is a part of size 4 of x.
        parts = re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", axes)
        return math.prod(int(part or sizes[axis]) for axis, part in parts)
    return devices
