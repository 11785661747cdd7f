"""Slice by steps, along axes, or to an end of its own, that are computed when the model runs.

Given    y = Slice(x, starts, ends, axes, steps)                                    x: [5, n], axes computed
Result   y = Slice(x, starts', ends', [0, 1], steps')       all axes: what is not named goes from end to end

Given    y = Slice(x, start, end, [0], step)                                        y: [unknown, n]
Result   first, last = start and end, counted from the front, and no farther than the axis goes
         y = Gather(x, first + step · (0, 1, …), axis=0)      as many of these as there are from first to last

Pad by computed axes, or by computed amounts along some, becomes one of all axes, too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim, symbols
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach

INT64 = ir.DataType.INT64
FARTHEST = np.iinfo(np.int64).max


class NormalizeComputedSlices(RewriteEach):
    """Write slices of which nobody knows how long they are as gathers, and name all axes where one is computed."""

    def wanted(self, node: ir.Node) -> bool:
        if node.domain != "" or node.op_type not in ("Slice", "Pad") or not _rank_is_known(node):
            return False
        return _names_some(node) or (node.op_type == "Slice" and _is_open(node))

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        if _names_some(node):
            _name_all_axes(node, Builder(node, names))
        if node.op_type == "Slice" and _is_open(node):
            _gather(node, Builder(node, names))


def _rank_is_known(node: ir.Node) -> bool:
    values = (node.inputs[0], node.inputs[1], node.outputs[0])
    return all(value is not None and value.shape is not None for value in values) and isinstance(_count(node), int)


def _count(node: ir.Node) -> object:
    """How many axes are cut, or padded in front and behind."""
    line = node.inputs[1]
    return None if line is None or line.shape is None or len(line.shape) != 1 else line.shape[0]


def _names_some(node: ir.Node) -> bool:
    """Whether its axes are computed, or, of a Pad, named while its amounts are."""
    named = len(node.inputs) > 3 and node.inputs[3] is not None
    return _is_computed(node, 3) or (node.op_type == "Pad" and named and _is_computed(node, 1))


def _is_computed(node: ir.Node, place: int) -> bool:
    value = node.inputs[place] if len(node.inputs) > place else None
    return value is not None and value.const_value is None


def _is_open(node: ir.Node) -> bool:
    """Whether it is cut by steps that may be others than 1, or to a size that nothing else has."""
    if not any(_is_computed(node, place) for place in (1, 2, 4)):
        return False
    steps = node.inputs[4] if len(node.inputs) > 4 else None
    if steps is not None and (steps.const_value is None or (steps.const_value.numpy() != 1).any()):
        return True
    return _is_computed(node, 3) or has_sizes_of_its_own(node)


def has_sizes_of_its_own(node: ir.Node) -> bool:
    """Whether the output has sizes that do not follow from those of the graph's inputs."""
    graph = node.graph
    given = set[str]()
    for value in graph.inputs if isinstance(graph, ir.Graph) else ():
        given.update(*(symbols(size) for size in sizes_of(value) if size is not None))
    return any(size is None or not symbols(size) <= given for size in sizes_of(node.outputs[0]))


def _name_all_axes(node: ir.Node, at: Builder) -> None:
    """Numbers of axes that are not named say that nothing is cut, or padded, there."""
    rank, count = len(sizes_of(first_input(node))), _count(node)
    assert isinstance(count, int)
    axes = _whole(at, node.inputs[3])
    where = at.node("Gather", [at.constant(range(rank), "places"), axes], [None], {"axis": 0})
    if node.op_type == "Pad":
        where = at.node("Concat", [where, _add(at, where, at.constant([rank], "rank"))], [count], {"axis": 0})
        _scatter(at, node, 1, where, np.zeros(2 * rank, np.int64))
        node.resize_inputs(3)
        return
    if len(node.inputs) < 5:
        node.resize_inputs(5)
    if node.inputs[4] is None:
        node.replace_input_with(4, at.constant([1] * count, "steps"))
    _scatter(at, node, 1, where, np.zeros(rank, np.int64))
    _scatter(at, node, 2, where, np.full(rank, FARTHEST))
    _scatter(at, node, 4, where, np.ones(rank, np.int64))
    node.replace_input_with(3, at.constant(range(rank), "axes"))


def _scatter(at: Builder, node: ir.Node, place: int, where: ir.Value, idle: np.ndarray) -> None:
    told = _whole(at, node.inputs[place])
    inputs = [at.constant(idle, "idle"), where, told]
    node.replace_input_with(place, at.node("ScatterElements", inputs, [len(idle)], {"axis": 0, "reduction": "none"}))


def _gather(node: ir.Node, at: Builder) -> None:
    x = first_input(node)
    count, sizes, wanted = _count(node), sizes_of(x), sizes_of(node.outputs[0])
    assert isinstance(count, int)
    named = node.inputs[3] if len(node.inputs) > 3 else None
    numbers = range(count) if named is None or named.const_value is None else named.const_value.numpy().tolist()
    bounds = [_whole(at, node.inputs[place]) for place in (1, 2)]
    steps = node.inputs[4] if len(node.inputs) > 4 else None
    step = at.constant([1] * count, "steps") if steps is None else _whole(at, steps)
    taken = []  # of all axes before any is cut: what is left may be nothing, on which no size can be counted
    for place, axis in enumerate(number % len(sizes) for number in numbers):
        each = [at.node("Gather", [line, at.constant([place], "place")], [1], {"axis": 0}) for line in (*bounds, step)]
        taken.append((axis, _places(at, x, axis, wanted[axis], *each)))
    y = x
    for axis, places in taken:
        sizes[axis] = wanted[axis]
        y = at.node("Gather", [y, places], list(sizes), {"axis": axis}, name=node.name)
    at.replace(y)


def _places(
    at: Builder, x: ir.Value, axis: int, wanted: Dim | None, start: ir.Value, end: ir.Value, step: ir.Value
) -> ir.Value:
    """The positions along an axis that are taken."""
    zero, one = at.constant([0], "zero"), at.constant([1], "one")
    size = at.size(x, axis)
    is_rising = _is_less(at, zero, step)
    lowest = at.node("Where", [is_rising, zero, at.constant([-1], "before")], [1], dtype=INT64)
    last = at.node("Sub", [size, one], [1])
    first = at.node("Max", [_from_front(at, start, size), zero], [1])
    first = at.node("Min", [first, at.node("Where", [is_rising, size, last], [1], dtype=INT64)], [1])
    bound = at.node("Max", [_from_front(at, end, size), lowest], [1])
    bound = at.node("Min", [bound, size], [1])
    if isinstance(wanted, int):
        counted = at.constant(range(wanted), "counted")
        return _add(at, first, at.node("Mul", [counted, step], [wanted]), wanted)
    sign = at.node("Sign", [step], [1])
    length = _add(at, at.node("Sub", [bound, first], [1]), at.node("Sub", [step, sign], [1]))
    count = at.node("Div", [length, step], [1])  # what goes the other way is less than 1
    counted = at.along(x, axis, size)
    is_within = _is_less(at, counted, count, sizes_of(x)[axis])
    taken = at.node("Compress", [counted, is_within], [wanted], {"axis": 0})
    return _add(at, first, at.node("Mul", [taken, step], [wanted]), wanted)


def _from_front(at: Builder, place: ir.Value, size: ir.Value) -> ir.Value:
    """Below 0 it counts from the end."""
    is_behind = _is_less(at, place, at.constant([0], "zero"))
    return at.node("Where", [is_behind, _add(at, place, size), place], [1], dtype=INT64)


def _is_less(at: Builder, one: ir.Value, other: ir.Value, size: Dim | None = 1) -> ir.Value:
    return at.node("Less", [one, other], [size], dtype=ir.DataType.BOOL)


def _add(at: Builder, one: ir.Value, other: ir.Value, size: Dim | None = None) -> ir.Value:
    return at.node("Add", [one, other], sizes_of(one) if size is None else [size])


def _whole(at: Builder, value: ir.Value | None) -> ir.Value:
    """As 64 bits."""
    assert value is not None
    if value.dtype == INT64:
        return value
    return at.node("Cast", [value], sizes_of(value), {"to": INT64.value, "saturate": 1}, dtype=INT64)
