"""Indices as ONNX has them."""

from __future__ import annotations

import torch

_PLACES = {
    torch.ops.aten.index.Tensor: 1,
    torch.ops.aten.index_put.default: 1,
    torch.ops.aten.index_put_.default: 1,
    torch.ops.aten._unsafe_index.Tensor: 1,
    torch.ops.aten._unsafe_index_put.default: 1,
}
"""Which argument of an operator lists the indices along each axis."""


def wide_indices(program: torch.export.ExportedProgram) -> None:
    """x[i] with i of 32 bits is read at i of 64 bits: GatherND and ScatterND know no others, and the exporter (2.13)
    leaves them as they are."""
    graph = program.graph
    for node in list(graph.nodes):
        place = _PLACES.get(node.target) if node.op == "call_function" else None
        if place is None:
            continue
        with graph.inserting_before(node):
            wide = [_wide(graph, index) if _is_narrow(index) else index for index in node.args[place]]
        node.args = (*node.args[:place], wide, *node.args[place + 1 :])
    program.graph_module.recompile()


def _is_narrow(index: object) -> bool:
    return isinstance(index, torch.fx.Node) and index.meta["val"].dtype == torch.int32


def _wide(graph: torch.fx.Graph, index: torch.fx.Node) -> torch.fx.Node:
    wide = graph.call_function(torch.ops.aten._to_copy.default, (index,), {"dtype": torch.int64})
    wide.meta["val"] = index.meta["val"].to(torch.int64)
    return wide
