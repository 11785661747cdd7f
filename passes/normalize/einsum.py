"""An Einsum that is a product of matrices is written as one.

    Given    y = Einsum<"bhid,bhjd->bhij">(q, k)
    Result   y = MatMul(q, Transpose<perm=[0, 1, 3, 2]>(k))

What recognises attention, and moves axes, knows products by that name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of

_TWO = re.compile(r"([A-Za-z]+),([A-Za-z]+)->([A-Za-z]+)")


@dataclass(frozen=True)
class Contraction:
    """Whether the last two axes of each operand change places before they are multiplied."""

    turns_left: bool
    turns_right: bool


def contraction_of(equation: str) -> Contraction | None:
    """How an equation multiplies matrices: axes in front that all have, in one order, and one that is summed over."""
    found = _TWO.fullmatch(equation.replace(" ", ""))
    if found is None:
        return None
    left, right, out = found.groups()
    front = out[:-2]
    if any(len(set(term)) < len(term) or term[:-2] != front for term in (left, right, out)) or len(out) < 2:
        return None
    row, column = out[-2], out[-1]
    rows, columns = set(left[-2:]), set(right[-2:])
    summed = rows & columns
    if len(summed) != 1 or rows != summed | {row} or columns != summed | {column} or row == column:
        return None
    return Contraction(left[-1] == row, right[-1] != column)


class NormalizeEinsum(ir.passes.InPlacePass):
    """Write products of matrices as MatMul.

    Not where axes are summed over in one operand alone, multiplied without a sum, or in another order.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        for node in list(model.graph):
            if node.domain != "" or node.op_type != "Einsum" or len(node.inputs) != 2:
                continue
            contraction = contraction_of(node.attributes["equation"].as_string())
            if contraction is not None and _ranks_fit(node):
                names = names or FreshNames(model)
                _write(node, contraction, names)
        return ir.passes.PassResult(model, names is not None)


def _ranks_fit(node: ir.Node) -> bool:
    """Sizes of 1 that an Einsum would broadcast are broadcast by a MatMul as well; other ranks are none of its kind."""
    shapes = [value.shape for value in (*node.inputs, node.outputs[0]) if value is not None]
    return len(shapes) == 3 and all(shape is not None and len(shape) == len(shapes[-1] or ()) for shape in shapes)


def _write(node: ir.Node, contraction: Contraction, names: FreshNames) -> None:
    at = Builder(node, names)
    operands = [
        _turned(at, value) if turns else value
        for value, turns in zip(node.inputs, (contraction.turns_left, contraction.turns_right), strict=True)
    ]
    at.replace(at.node("MatMul", operands, sizes_of(node.outputs[0]), name=node.name))


def _turned(at: Builder, value: ir.Value | None) -> ir.Value:
    if value is None:
        raise ValueError("An Einsum lacks an operand.")
    sizes = list(sizes_of(value))
    perm = [*range(len(sizes) - 2), len(sizes) - 1, len(sizes) - 2]
    return at.node("Transpose", [value], [sizes[axis] for axis in perm], {"perm": perm})
