"""GELU in one piece.

    erf form    y = x/2 · (1 + erf(x / √2))
    tanh form   y = x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))

Both are matched as polynomials, so that the order of the factors does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt

import onnx_ir as ir

from passes.fuse.polynomial_match import Polynomial, equal, grow, read
from passes.graph.builder import FreshNames
from passes.graph.match import check_closed, check_rank, close, maker, raise_group, with_constant
from passes.graph.reasons import Fusion, NoMatch

HALF_SUM: Polynomial = {(1, 0): 0.5, (1, 1): 0.5}
"""x/2 + x·t/2, with t = erf(…) or tanh(…)."""

TANH_ARGUMENT: Polynomial = {(1, 0): sqrt(2 / pi), (3, 0): 0.044715 * sqrt(2 / pi)}


class FuseGelu(Fusion):
    """Given    Mul(Mul(x, Add(Erf(Div(x, 1.4142135)), 1)), 0.5), or the tanh form, in any order
    Result   Gelu<approximate="none">(x), or Gelu<approximate="tanh">(x)

    Not when one of the steps is read elsewhere or is an output, a constant is another one, or has more axes than x.
    """

    roots = frozenset({"Erf", "Tanh"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        x, inside = _erf_input(root) if root.op_type == "Erf" else _tanh_input(root)
        grown = grow(root.outputs[0], x, [("Gelu", HALF_SUM)], x.dtype)
        if grown is None:
            raise NoMatch(f"what follows is not x/2 · (1 + {root.op_type.lower()})")
        _, last, outside = grown
        nodes = inside | outside | {root}
        check_closed(nodes, last)
        check_rank(x, last)
        raise_group(nodes, last, "Gelu", [x], {"approximate": "none" if root.op_type == "Erf" else "tanh"})


def _erf_input(node: ir.Node) -> tuple[ir.Value, set[ir.Node]]:
    """x of erf(x / √2), and the nodes between."""
    scaled = maker(node.inputs[0], "Div", "Mul")
    found = with_constant(scaled) if scaled is not None else None
    if scaled is None or found is None:
        raise NoMatch("its input is not x divided by a number")
    x, factor = found
    wanted = sqrt(2) if scaled.op_type == "Div" else sqrt(0.5)
    if not close(factor, wanted, x.dtype):
        raise NoMatch(f"its input is scaled by {factor:g}, not by √2")
    return x, {scaled}


def _tanh_input(node: ir.Node) -> tuple[ir.Value, set[ir.Node]]:
    """x of tanh(√(2/π) · (x + 0.044715 · x³)), and the nodes between."""
    for x in dict.fromkeys(_cubed(node.inputs[0], depth=5)):
        nodes: set[ir.Node] = set()
        if equal(read(node.inputs[0], x, None, nodes), TANH_ARGUMENT, x.dtype):
            return x, nodes
    raise NoMatch("its input is not √(2/π) · (x + 0.044715 · x³)")


def _cubed(value: ir.Value | None, depth: int) -> Iterator[ir.Value]:
    """What is raised to a power, or multiplied by something that is no number, on the way up: the candidates for x."""
    node = maker(value, "Add", "Sub", "Mul", "Div", "Pow")
    if node is None or depth == 0:
        return
    operands = [operand for operand in node.inputs if operand is not None and operand.const_value is None]
    if node.op_type == "Pow" or (node.op_type == "Mul" and len(operands) == 2):
        yield from operands
    for operand in operands:
        yield from _cubed(operand, depth - 1)
