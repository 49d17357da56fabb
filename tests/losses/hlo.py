"""What a compiled program holds and sends, read from XLA's text of it."""

import math
import re
from collections import Counter

_ARRAY = re.compile(r"\b(pred|bf16|[sufc]\d\w*)\[([\d,]*)\]")
_COLLECTIVE = re.compile(
    r"^ *(?:ROOT )?%\S+ = (.+?) "
    r"((?:all-gather|all-reduce|reduce-scatter|ragged-all-to-all|all-to-all"
    r"|collective-permute|collective-broadcast|send|recv)(?:-start)?)\(",
    re.MULTILINE,
)
_RESULT = re.compile(r"%(\S+) = (\w+)\[")
_PRODUCT = re.compile(r" (?:convolution|dot)\(%([^\s,]+), %([^\s,)]+)\)")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%(\S+) [^\n]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)


def largest_array(program):
    """Elements of the largest array, fused ones (which are never stored) among them."""
    return max(elements for _, elements in _arrays(program))


def collectives(program):
    """Counts (kind, element type, elements of the result on one device), an array at a time.

    Where an operation is in the body of a loop, its kind says so: it counts once here and happens
    many times.
    """
    computations = dict(_COMPUTATION.findall(program))
    in_loops = _in_loops(computations)
    found = Counter()
    for name, body in computations.items():
        for result, kind in _COLLECTIVE.findall(body):
            if name in in_loops:
                kind += " in a loop"
            found.update((kind, *array) for array in _arrays(result))
    return found


def products(program):
    """Counts the pairs of element types that matrix units multiply."""
    types = dict(_RESULT.findall(program))
    return Counter((types[left], types[right]) for left, right in _PRODUCT.findall(program))


def _arrays(text):
    for element_type, shape in _ARRAY.findall(text):
        yield element_type, math.prod(int(size) for size in shape.split(",") if size)


def _in_loops(computations):
    """Names of all computations that the bodies and conditions of loops lead to."""
    everything = "".join(computations.values())
    left = re.findall(r"(?:body|condition)=%([\w.-]+)", everything)
    reached = set()
    while left:
        name = left.pop()
        if name in computations and name not in reached:
            reached.add(name)
            left += re.findall(r"%([\w.-]+)", computations[name])
    return reached
