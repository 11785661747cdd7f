"""A table that is cut to the length of a sequence has that length, wherever the graph computes anything at all.

    Given    p = Slice(table, 0, t);  y = Add(x, p)      x: [batch, t, 32], p: [1, Min(512, t), 32]
    Result   the same, with p: [1, t, 32]

Two sizes broadcast where they are equal or one of them is 1, and Min(512, t) is 1 where t is. So a graph that adds the
two fails for any t above 512, and Min(512, t) is t for the others.

Not where the size meets no other one: such a table is really cut off at its end.
"""

from __future__ import annotations

from itertools import product

import onnx_ir as ir

from passes.dims.parse import parse
from passes.dims.polynomial import Dim, only_atom, terms_of

_OPERATORS = """
    Add And Div Equal Expand Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or Pow Sub Where Xor
"""
BROADCASTING = frozenset(_OPERATORS.split())


class NormalizePositionTables(ir.passes.InPlacePass):
    """Write `t` for `Min(N, t)` where both meet in a broadcast."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        meanings: dict[str, str] = {}
        for node in model.graph:
            if node.domain == "" and node.op_type in BROADCASTING:
                meanings |= _equal_sizes(node)
        values = [value for node in model.graph for value in node.outputs] if meanings else []
        renamed = [_rename(value, meanings) for value in values]
        return ir.passes.PassResult(model, any(renamed))


def _equal_sizes(node: ir.Node) -> dict[str, str]:
    """`{"Min(512, t)": "t"}` where an input has the one and the output the other at the same place.

    Rows from the third on are `Min(514, t + 2) - 2`.
    """
    found: dict[str, str] = {}
    for given, result in product(node.inputs, node.outputs):
        if given is None or given.shape is None or result.shape is None:
            continue
        for size, wanted in zip(reversed(given.shape), reversed(result.shape), strict=False):
            length = None if isinstance(size, int) else _wanted_length(parse(str(size)))
            if length is not None and str(length) == str(wanted):
                found[str(size)] = str(length)
    return found


def _wanted_length(size: Dim) -> Dim | None:
    """How many rows are wanted of a table, where its size is the smaller of that and of what it has."""
    start = -terms_of(size).get((), 0)
    atom = only_atom(size + start)
    if start < 0 or atom is None or atom.function != "Min":
        return None
    first, second = atom.arguments
    if isinstance(second, int):
        first, second = second, first
    return second - start if isinstance(first, int) else None


def _rename(value: ir.Value, meanings: dict[str, str]) -> bool:
    if value.shape is None:
        return False
    renamed = [dim if isinstance(dim, int) else meanings.get(str(dim), str(dim)) for dim in value.shape]
    if all(isinstance(dim, int) or str(dim) == new for dim, new in zip(value.shape, renamed, strict=True)):
        return False
    value.shape = ir.Shape(renamed)
    return True
