"""A roll, which exporters take apart at a place counted modulo the size of the axis.

Given    s = Mod(3, n)                                    x: [b, n], n = Shape(x)[1]
         y = Concat<axis=1>(Slice(x, s, n, [1]), Slice(x, 0, s, [1]))
Result   y = Roll<axes=[1], shift=[-3]>(x)                two of them in a row become one
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.graph.builder import FreshNames
from passes.graph.match import check_closed, maker, number, raise_group
from passes.graph.reasons import Fusion, NoMatch


class FuseRoll(Fusion):
    """Put one Roll in the place of two slices and a Concat.

    Not where the slices are read elsewhere too, or the places are not those of one shift.
    """

    roots = frozenset({"Concat"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        x, axis, shift, group = _rolled(root)
        check_closed(group, root)
        axes, shifts, before = [axis], [shift], _roll_before(x, group)
        if before is not None and before.inputs[0] is not None:
            axes = [*before.attributes["axes"].as_ints(), *axes]
            shifts = [*before.attributes["shift"].as_ints(), *shifts]
            for user, place in list(x.uses()):
                if user.op_type == "Shape":  # a roll keeps it
                    user.replace_input_with(place, before.inputs[0])
            x, group = before.inputs[0], [*group, before]
        raise_group(group, root, "Roll", [x], {"axes": axes, "shift": shifts}, domain="keraport")


def _roll_before(x: ir.Value, group: Sequence[ir.Node]) -> ir.Node | None:
    """The Roll that makes x, if nobody else reads what it holds."""
    before = x.producer()
    if before is None or before.op_type != "Roll" or before.domain != "keraport" or x.is_graph_output():
        return None
    return before if all(use.node in group or use.node.op_type == "Shape" for use in x.uses()) else None


def _rolled(root: ir.Node) -> tuple[ir.Value, int, int, list[ir.Node]]:
    """x, the axis, by how much, and the slices."""
    parts = [maker(value, "Slice") for value in root.inputs]
    last, first = parts if len(parts) == 2 else (None, None)
    x = last.inputs[0] if last is not None else None
    if last is None or first is None or x is None or first.inputs[0] is not x:
        raise NoMatch("its inputs are not two slices of one value")
    axis = root.attributes["axis"].as_int()
    if axis < 0:
        raise NoMatch("the axis is counted from the end")
    place = last.inputs[1]
    counted = maker(place, "Mod")
    if counted is None or first.inputs[2] is not place or number(first.inputs[1]) != 0:
        raise NoMatch("one slice does not end where the other begins, at a place modulo the size")
    shift = number(counted.inputs[0])
    if shift is None or not _is_length(counted.inputs[1], x, axis) or bool(counted.attributes.get_int("fmod", 0)):
        raise NoMatch("the place is no number modulo the size of the axis")
    if not _is_end(last.inputs[2], x, axis) or not (_is_along(last, axis) and _is_along(first, axis)):
        raise NoMatch("the slices are along another axis, or leave something out")
    return x, axis, -int(shift), [last, first]


def _is_length(value: ir.Value | None, x: ir.Value, axis: int) -> bool:
    """Whether a value is the size of that axis of x."""
    node = maker(value, "Shape")
    if node is None or node.inputs[0] is not x:
        return False
    return node.attributes.get_int("start", 0) == axis and node.attributes.get_int("end", 0) == axis + 1


def _is_end(value: ir.Value | None, x: ir.Value, axis: int) -> bool:
    end = number(value)
    return _is_length(value, x, axis) if end is None else end >= np.iinfo(np.int32).max


def _is_along(node: ir.Node, axis: int) -> bool:
    """Whether a slice takes every element along this axis alone."""
    axes = node.inputs[3] if len(node.inputs) > 3 else None
    step = node.inputs[4] if len(node.inputs) > 4 else None
    return (number(axes) if axes is not None else 0) == axis and (step is None or number(step) == 1)
