"""How large an integer input may be: it is followed to the tables that it picks rows of, and to what it is compared
with.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from passes.dims.parse import parse
from passes.dims.polynomial import Dim
from passes.errors import operator

KEEPS_VALUES = frozenset(
    {
        "Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Tile",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip
"""Operators whose outputs hold numbers of their first input, and no others."""

COMPARISONS = frozenset({"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})

ARITHMETIC = frozenset({"Add", "Ceil", "Clip", "Div", "Floor", "Max", "Min", "Mul", "Round", "Sub"})

MOST_STEPS = 200
"""Values that are looked at, at most: an input that is read everywhere is no index."""


def index_bounds(value: ir.Value) -> Iterator[int]:
    """The sizes of the tables that numbers of this value index, directly or on the way through other operators."""
    yield from (bound - shift for bound, shift in _bounds(value) if isinstance(bound, int))


def open_index_bounds(value: ir.Value) -> Iterator[Dim]:
    """The like of tables of open size, such as the nodes of a graph that edges join."""
    for bound, shift in _bounds(value):
        if isinstance(bound, ir.SymbolicDim) and bound.value is not None:
            yield parse(str(bound.value)) - shift


def _bounds(value: ir.Value) -> Iterator[tuple[int | ir.SymbolicDim, int]]:
    """The size of each table, and what is added to the numbers before they index it."""
    pending, seen = [(value, 0)], {value}
    while pending and len(seen) <= MOST_STEPS:
        current, shift = pending.pop()
        for node, place in current.uses():
            if node.domain != "" and operator(node) != "keraport::Embedding":
                continue
            yield from ((bound, shift) for bound in _allowed(node, place))
            passed = _shift(node, place)
            for output in node.outputs if passed is not None else ():
                if output not in seen:
                    seen.add(output)
                    pending.append((output, shift + (passed or 0)))


def length_limits(final: ir.Graph) -> dict[str, int]:
    """For each open size that positions are counted along, the rows of the smallest table that they index.

    Args:
        final: a graph that has been through all passes.
    """
    limits: dict[str, int] = {}
    for node in final:
        counted = node.outputs[0]
        if operator(node) != "keraport::Positions" or not counted.shape:
            continue
        size = counted.shape[0]
        bound = min(index_bounds(counted), default=None)
        if bound is not None and isinstance(size, ir.SymbolicDim) and size.value is not None:
            limits[size.value] = min(bound, limits.get(size.value, bound))
    return limits


def compared_sizes(value: ir.Value) -> Iterator[ir.SymbolicDim | int]:
    """The sizes whose positions 0, 1, 2, … this value is compared with: it is the length of something in a batch."""
    for current in _kept(value):
        for node, place in current.uses():
            if node.op_type in COMPARISONS and node.domain == "":
                yield from _counted(node.inputs[1 - place])


def equal_numbers(value: ir.Value) -> Iterator[int]:
    """The numbers that this value, one integer, is compared with for equality."""
    for current in _kept(value):
        for node, place in current.uses():
            number = _number(node.inputs[1 - place]) if node.op_type == "Equal" and node.domain == "" else None
            if number is not None:
                yield number


def _kept(value: ir.Value) -> Iterator[ir.Value]:
    """The values that hold the numbers of this one."""
    pending, seen = [value], {value}
    while pending and len(seen) <= MOST_STEPS:
        current = pending.pop()
        yield current
        for node, place in current.uses():
            if _shift(node, place) == 0:
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending.extend(fresh)


def counts_frames(value: ir.Value) -> bool:
    """Whether positions are compared with what is computed from this value: frames of so many samples, as a rule."""
    pending, seen = [value], {value}
    while pending and len(seen) <= MOST_STEPS:
        for node, place in pending.pop().uses():
            if node.domain == "" and node.op_type in COMPARISONS and any(_counted(node.inputs[1 - place])):
                return True
            if node.op_type in ARITHMETIC or (node.op_type in KEEPS_VALUES and place == 0):
                fresh = [output for output in node.outputs if output not in seen]
                seen.update(fresh)
                pending.extend(fresh)
    return False


def _counted(value: ir.Value | None) -> Iterator[ir.SymbolicDim | int]:
    """The size that a Range counts, when that is what this value holds."""
    for _ in range(MOST_STEPS):
        node = None if value is None else value.producer()
        if node is None:
            return
        if operator(node) == "Range" and node.outputs[0].shape:
            yield node.outputs[0].shape[0]
        if node.op_type not in KEEPS_VALUES:
            return
        value = node.inputs[0]


INDEX_PLACES = {"Embedding": 1, "Gather": 1, "GatherElements": 1, "ScatterElements": 1}
"""By operator that looks along one axis, which input says where."""


def _allowed(node: ir.Node, place: int) -> list[int | ir.SymbolicDim]:
    """What an operator allows at this input: the sizes of the axes that it indexes, or its greatest number."""
    table = node.inputs[0]
    shape = None if table is None else _shape(table)
    if INDEX_PLACES.get(node.op_type) == place and shape is not None:
        axis = node.attributes.get_int("axis", 0)
        return shape[axis : axis + 1 or None] if -len(shape) <= axis < len(shape) else []
    if node.op_type in ("GatherND", "ScatterND") and place == 1 and shape is not None:
        places = node.inputs[1].shape if node.inputs[1] is not None else None
        first, count = node.attributes.get_int("batch_dims", 0), places[-1] if places else None
        return shape[first : first + count] if isinstance(count, int) else []
    number = _greatest(node, place)
    return [] if number is None else [number]


def _greatest(node: ir.Node, place: int) -> int | None:
    """One more than the greatest number that an operator knows."""
    if node.op_type == "Equal":
        return _compared(node.inputs[1 - place])
    if node.op_type == "OneHot" and place == 0:
        return _number(node.inputs[1])
    if node.op_type == "Clip" and place == 0 and len(node.inputs) > 2:
        most = _number(node.inputs[2])
        return None if most is None else most + 1
    return None


def _compared(other: ir.Value | None) -> int | None:
    """A comparison with many numbers at once is a one-hot by hand: the numbers are what it knows."""
    constant = None if other is None else ir.convenience.get_const_tensor(other)
    most = _number(other)
    return most + 1 if constant is not None and constant.size > 2 and most is not None else None


def _shift(node: ir.Node, place: int) -> int | None:
    """What an operator adds to the numbers of this input; None where they do not come out of it."""
    if node.op_type in KEEPS_VALUES and (place == 0 or node.op_type == "Concat"):
        return 0
    if node.op_type == "Where" and place > 0:
        return 0
    if node.op_type == "Add" and len(node.inputs) == 2:
        return _number(node.inputs[1 - place])
    return None


def _shape(value: ir.Value) -> list[int | ir.SymbolicDim] | None:
    constant = ir.convenience.get_const_tensor(value)
    shape = value.shape if constant is None else constant.shape
    return None if shape is None else [dim for dim in shape if isinstance(dim, (int, ir.SymbolicDim))]


def _number(value: ir.Value | None) -> int | None:
    """The greatest number of a constant."""
    constant = None if value is None else ir.convenience.get_const_tensor(value)
    if constant is None or not constant.size or not constant.dtype.is_integer():
        return None
    return int(np.max(constant.numpy()))
