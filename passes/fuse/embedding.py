"""Lookups in a table whose indices are never negative: no index counts from the end.

Given    y = Gather(W, ids)                         which torch's embedding has written, or ids = Range(0, n, 1)
Result   y = keraport::Embedding(W, ids)
"""

from __future__ import annotations

import ast

import onnx_ir as ir

from passes.errors import operator
from passes.graph.match import number

_WRITTEN_BY = "pkg.torch.onnx.class_hierarchy"
_EMBEDDING = "aten.embedding.default"
"""An error of its own for indices below 0."""

_STAYS = frozenset(
    {"Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Tile", "Transpose",
     "Unsqueeze"}
)  # fmt: skip
_COUNTS = frozenset({"ArgMax", "ArgMin", "NonZero", "Shape", "Size", "keraport::Positions"})
_SUMS = frozenset({"Add", "Mul", "Max"})


class FuseEmbeddings(ir.passes.InPlacePass):
    """Say of a Gather on a table of two axes, and of a tied embedding, that its indices count from the front.

    Not where they may be negative, as those of a file whose author is not known.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph.all_nodes():
            if operator(node) == "Gather" and _is_lookup(node) and _is_counted(node, node.inputs[1]):
                node.op_type, node.domain = "Embedding", "keraport"
                node.attributes.clear()
                modified = True
            elif _is_tied_lookup(node) and _is_counted(node, node.inputs[0]):
                node.attributes["counted"] = ir.AttrInt64("counted", 1)
                modified = True
        return ir.passes.PassResult(model, modified)


def _is_lookup(node: ir.Node) -> bool:
    table, indices = node.inputs[0], node.inputs[1]
    if table is None or table.const_value is None or indices is None or indices.const_value is not None:
        return False
    is_float = table.const_value.dtype.is_floating_point()
    return is_float and len(table.const_value.shape) == 2 and not node.attributes.get_int("axis", 0)


def _is_tied_lookup(node: ir.Node) -> bool:
    attributes = node.attributes
    return operator(node) == "keraport::ReversibleEmbedding" and not {"counted", "reverse"} & attributes.keys()


def _is_counted(node: ir.Node, indices: ir.Value | None) -> bool:
    written_by = node.metadata_props.get(_WRITTEN_BY)
    if written_by is not None and ast.literal_eval(written_by)[-1] == _EMBEDDING:
        return True
    return _is_natural(indices, depth=20)


def _is_natural(value: ir.Value | None, depth: int) -> bool:
    """Whether every number in it is 0 or more for sure."""
    if value is None or depth == 0:
        return False
    if value.const_value is not None:
        return not (value.const_value.numpy() < 0).any()
    node = value.producer()
    if node is None:
        return False
    name = operator(node)
    if name == "Range":
        start, step = number(node.inputs[0]), number(node.inputs[2])
        return start is not None and step is not None and start >= 0 and step > 0
    if name == "Clip":
        least = number(node.inputs[1]) if len(node.inputs) > 1 else None
        return least is not None and least >= 0
    if name in _STAYS:
        passed = node.inputs if name == "Concat" else node.inputs[:1]
        return all(_is_natural(each, depth - 1) for each in passed)
    if name in _SUMS:
        found = [_is_natural(each, depth - 1) for each in node.inputs]
        return any(found) if name == "Max" else all(found)
    return name in _COUNTS or (name == "TopK" and value is node.outputs[1])
