"""Operations of one instruction of a compiled program, as XLA counts them."""

import math
import re

from jcl.cost.hlo import Computation, Instruction

_ELEMENTWISE = {
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "negate", "abs", "compare"),
    *("select", "clamp", "convert", "floor", "ceil", "sign", "and", "or", "not", "xor"),
    *("remainder", "round-nearest-even", "round-nearest-afz", "is-finite"),
}


def count_instruction(computation: Computation, instruction: Instruction) -> int:
    """Operations of an instruction, without those of the computations that it calls.

    A multiplication and the addition that follows it are two operations. Exponentials and the like
    do not count, because XLA counts them separately.

    Args:
        computation: that contains the instruction.
        instruction: any.
    """
    opcode = instruction.opcode
    if opcode == "dot":
        return _count_dot(computation, instruction)
    if opcode == "convolution":
        return _count_convolution(computation, instruction)
    if opcode in _ELEMENTWISE:
        return sum(array.elements for array in instruction.result)
    if opcode == "reduce":
        return sum(array.elements for array in computation[instruction.operands[0]].result)
    return 0


def _count_dot(computation: Computation, instruction: Instruction) -> int:
    left = computation[instruction.operands[0]].result[0].shape
    summed = instruction.attribute(r"\blhs_contracting_dims=\{([\d,]*)\}") or ""
    terms = math.prod(left[int(axis)] for axis in summed.split(",") if axis)
    return 2 * instruction.result[0].elements * terms


def _count_convolution(computation: Computation, instruction: Instruction) -> int:
    """Counts products, except those with padding or with zeros of a dilation.

    XLA for TPUs writes all matrix products as convolutions, some of them with far more such zeros
    than numbers.
    """
    image, kernel = (computation[name].result[0].shape for name in instruction.operands[:2])
    out = instruction.result[0].shape
    labels = instruction.attribute(r"\bdim_labels=(\S+?)(?:,|$)")
    of_image, of_kernel, of_out = re.split("_|->", labels)
    window = _window(instruction.attribute(r"\bwindow=\{([^}]*)\}") or "")
    products = out[of_out.index("b")] * out[of_out.index("f")] * kernel[of_kernel.index("i")]
    for axis in range(len(of_out) - 2):
        size, length, width = (
            shape[names.index(str(axis))]
            for shape, names in ((image, of_image), (out, of_out), (kernel, of_kernel))
        )
        products *= _pairs(size, length, width, **{key: v[axis] for key, v in window.items()})
    return 2 * products


def _window(text: str) -> dict[str, list[int]]:
    """Reads "size=3x3 pad=1_1x1_1"; of the padding, only the amount at the start."""
    options = dict(option.split("=") for option in text.split())
    known = ("stride", "pad", "lhs_dilate", "rhs_dilate")
    return {
        key: [int(number.split("_")[0]) for number in options[key].split("x")]
        for key in known
        if key in options
    }


def _pairs(size, length, width, *, stride=1, pad=0, lhs_dilate=1, rhs_dilate=1) -> int:
    """Number of (output, kernel) positions along one axis that fall on a real pixel.

    Positions on padding or on zeros of a dilation do not count.
    """
    last = (size - 1) * lhs_dilate
    pairs = 0
    for begin in range(-pad, length * stride - pad, stride):
        for position in range(begin, begin + width * rhs_dilate, rhs_dilate):
            pairs += 0 <= position <= last and position % lhs_dilate == 0
    return pairs
