"""Arithmetic on one tensor, read as a polynomial: however an exporter orders `0.5 * x * (1 + t)`, it is the same one.

A polynomial in x and t is a dictionary {(power of x, power of t): coefficient}. Two constants count as equal where they
agree to the rounding of their type.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from passes.graph.match import close, number

Polynomial = dict[tuple[int, int], float]

OPERATORS = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Pow"})
_MAX_TERMS = 16


def read(
    value: ir.Value | None, x: ir.Value, t: ir.Value | None, nodes: set[ir.Node], depth: int = 8
) -> Polynomial | None:
    """The value as a polynomial in x and t, and into `nodes` the nodes that compute it; None where it is none."""
    if value is x:
        return {(1, 0): 1.0}
    if t is not None and value is t:
        return {(0, 1): 1.0}
    constant = number(value)
    if constant is not None:
        return {(0, 0): constant}
    node = value.producer() if value is not None else None
    if node is None or node.domain != "" or node.op_type not in OPERATORS or depth == 0:
        return None
    left = read(node.inputs[0], x, t, nodes, depth - 1)
    right = read(node.inputs[1], x, t, nodes, depth - 1) if len(node.inputs) > 1 else None
    result = _combine(node.op_type, left, right)
    if result is not None:
        nodes.add(node)
    return result


def _combine(op_type: str, left: Polynomial | None, right: Polynomial | None) -> Polynomial | None:
    if left is None or (right is None and op_type != "Neg"):
        return None
    if op_type == "Neg" or right is None:
        return {powers: -factor for powers, factor in left.items()}
    if op_type in ("Add", "Sub"):
        sign = 1.0 if op_type == "Add" else -1.0
        total = {powers: left.get(powers, 0.0) + sign * right.get(powers, 0.0) for powers in left.keys() | right.keys()}
        return {powers: factor for powers, factor in total.items() if factor}
    if op_type == "Mul":
        return _product(left, right)
    if right.keys() != {(0, 0)}:
        return None
    constant = right[0, 0]
    if op_type == "Div":
        return {powers: factor / constant for powers, factor in left.items()} if constant else None
    result: Polynomial | None = {(0, 0): 1.0}
    if constant != int(constant) or not 0 <= constant <= 4:
        return None
    for _ in range(int(constant)):
        result = _product(result, left) if result is not None else None
    return result


def _product(left: Polynomial, right: Polynomial) -> Polynomial | None:
    result: Polynomial = {}
    for (i, j), a in left.items():
        for (k, m), b in right.items():
            result[i + k, j + m] = result.get((i + k, j + m), 0.0) + a * b
    return result if len(result) <= _MAX_TERMS else None


def equal(found: Polynomial | None, wanted: Polynomial, dtype: ir.DataType | None) -> bool:
    """The same powers with the same coefficients."""
    return (
        found is not None
        and found.keys() == wanted.keys()
        and all(close(found[powers], factor, dtype) for powers, factor in wanted.items())
    )


def grow(
    t: ir.Value, x: ir.Value, wanted: Collection[tuple[str, Polynomial]], dtype: ir.DataType | None, steps: int = 6
) -> tuple[str, ir.Node, set[ir.Node]] | None:
    """Follow the only reader of t, its only reader, …, as long as a polynomial in x and t comes out; t is not closed.

    Returns:
        The name of the longest one that is wanted, its last node and all nodes that compute it from x and t.
    """
    best = None
    value = t
    for _ in range(steps):
        node = next(iter(value.uses())).node if value.uses() and not value.is_graph_output() else None
        if node is None or any(use.node is not node for use in value.uses()) or len(node.outputs) != 1:
            break
        value, nodes = node.outputs[0], set[ir.Node]()
        found = read(value, x, t, nodes)
        if found is None:
            break
        best = next(((name, node, nodes) for name, target in wanted if equal(found, target, dtype)), best)
    return best
