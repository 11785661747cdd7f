"""Operators one of whose numbers is computed when the model runs, in operators that take tensors.

Given    y = Trilu(x, k)                     Result   y = Where(column - row ≥ k, x, 0)
         y, i = TopK(x, k)                            v, j = TopK(x, all);  y, i = the first k of v and of j
         y = OneHot(x, depth, values)                 y = OneHot(x, 12, values)    where the file says how many y has
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, first_input, sizes_of
from passes.normalize.operators.rewrite_each import RewriteEach

INT64 = ir.DataType.INT64


class NormalizeComputedNumbers(RewriteEach):
    """Write them so; what cannot be is left, and refused by name later."""

    def wanted(self, node: ir.Node) -> bool:
        if node.domain != "" or node.op_type not in _WAYS or len(node.inputs) < 2:
            return False
        number, x, y = node.inputs[1], node.inputs[0], node.outputs[0]
        if number is None or number.const_value is not None:
            return False
        if x is None or x.shape is None or y.shape is None:
            return False
        return node.op_type != "TopK" or not _takes_all(node)

    def rewrite(self, node: ir.Node, names: FreshNames) -> None:
        _WAYS[node.op_type](node, Builder(node, names))


def _takes_all(node: ir.Node) -> bool:
    """Then it is a sort."""
    axis = node.attributes.get_int("axis", -1)
    return sizes_of(first_input(node))[axis] == sizes_of(node.outputs[0])[axis]


def _triangle(node: ir.Node, at: Builder) -> None:
    x, diagonal = first_input(node), node.inputs[1]
    sizes = sizes_of(x)
    if 0 in sizes:  # of no numbers; a choice among them has no shape of its own
        at.replace(at.node("Identity", [x], sizes, name=node.name))
        return
    column, row = at.along(x, len(sizes) - 1), at.along(x, len(sizes) - 2)
    upright = at.node("Unsqueeze", [row, at.constant([1], "axis")], [sizes[-2], 1])
    distance = at.node("Sub", [column, upright], sizes[-2:])
    compare = "GreaterOrEqual" if node.attributes.get_int("upper", 1) else "LessOrEqual"
    is_kept = at.node(compare, [distance, diagonal], sizes[-2:], dtype=ir.DataType.BOOL)
    zero = at.constant(np.zeros((), (x.dtype or ir.DataType.FLOAT).numpy()), "zero")
    at.replace(at.node("Where", [is_kept, x, zero], sizes, dtype=x.dtype, name=node.name))


def _first_of_all(node: ir.Node, at: Builder) -> None:
    x, count = first_input(node), node.inputs[1]
    sizes, wanted = sizes_of(x), sizes_of(node.outputs[0])
    axis = node.attributes.get_int("axis", -1) % len(sizes)
    if isinstance(wanted[axis], int):
        _write_down(node, at, wanted[axis], [1])
        return
    longest = sizes[axis]
    number = at.constant([longest], "all") if isinstance(longest, int) else at.size(x, axis)
    values = [ir.Value(name=at.names.fresh(f"{at.stem}_sorted"), type=output.type) for output in node.outputs]
    for value in values:
        value.shape = x.shape
    ranked = ir.Node("", "TopK", [x, number], list(node.attributes.values()), outputs=values, name=node.name)
    ranked.metadata_props.update(node.metadata_props)
    at.graph.insert_before(node, ranked)
    is_among = at.node("Less", [at.along(x, axis), count], [longest], dtype=ir.DataType.BOOL)
    at.replace(*(at.node("Compress", [value, is_among], wanted, {"axis": axis}) for value in values))


def _counted_by_output(node: ir.Node, at: Builder) -> None:
    wanted = sizes_of(node.outputs[0])
    count = wanted[node.attributes.get_int("axis", -1) % len(wanted)]
    if isinstance(count, int):
        _write_down(node, at, count, [])


_WAYS: Mapping[str, Callable[[ir.Node, Builder], None]] = {
    "OneHot": _counted_by_output,
    "TopK": _first_of_all,
    "Trilu": _triangle,
}


def _write_down(node: ir.Node, at: Builder, number: Dim | None, shape: list[int]) -> None:
    """The file says how large the result is: the number can be no other."""
    node.replace_input_with(1, at.constant(np.full(shape, number, np.int64), "number"))
