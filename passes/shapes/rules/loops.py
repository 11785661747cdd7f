"""Loops and branches that are kept: states keep their sizes, and there is a row of each result for each turn."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import sizes_of
from passes.shapes.rules.registry import NoRule, Shapes, Site, rule


@rule("keraport::Loop")
def _loop(node: ir.Node, site: Site) -> Shapes:
    told = node.attributes
    first = told.get_int("has_most", 0) + told.get_int("has_condition", 0)
    states = told["states"].as_int()
    body = told["body"].as_graph()
    gathered = body.outputs[told.get_int("conditional", 0) + states :]
    turns = _turns(node, site, first + states)
    rows: list[Any] = [(turns, *sizes_of(row)) for row in gathered]  # None: a size that has only a name
    return [*(site.shape(first + place) for place in range(states)), *rows]


def _turns(node: ir.Node, site: Site, scanned: int) -> Dim | None:
    told = node.attributes
    if told["scanned"].as_int():
        return site.shape(scanned)[0]
    if told.get_int("conditional", 0):
        return None
    if not told.get_int("has_most", 0):
        return told.get_int("turns", 0)
    try:
        return site.value(0)[0]
    except NoRule:
        return None


@rule("keraport::If")
def _if(node: ir.Node, site: Site) -> Shapes:
    """The sizes in which both branches agree."""
    graphs = [node.attributes[name].as_graph() for name in ("then_branch", "else_branch")]
    pairs = zip(*(graph.outputs for graph in graphs), strict=True)
    found: list[Any] = []
    for one, other in pairs:
        sizes = zip(sizes_of(one), sizes_of(other), strict=True)
        found.append(tuple(a if a == b else None for a, b in sizes))
    return found
