"""An If goes: the branch that is always taken takes its place, or both do, and a Where chooses."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.fold.body import graph_of, let_go, move_body
from passes.graph.builder import FreshNames


def inline_branch(node: ir.Node, taken: bool, names: FreshNames) -> None:
    """Move the nodes of one branch to right after the If, and remove it.

    Given    y = If<then: t = Relu(x) → t; else: e = Neg(x) → e>(true)
    Result   y = Relu(x)

    A walk that stands at the If comes to the moved nodes next. torch's TorchScript exporter writes such an If for every
    `squeeze` of an axis that may or may not be 1. Branches side by side may use the same names: NameFixPass, the last
    of the stage, tells those apart.
    """
    graph = graph_of(node)
    at, results = move_body(node.attributes["then_branch" if taken else "else_branch"].as_graph(), node, node, names)
    for output, result in zip(node.outputs, results, strict=True):
        is_taken = result.producer() is None or result.is_graph_output() or result.graph is not graph
        if output.is_graph_output() and is_taken:
            copy = ir.node("Identity", [result], name=node.name)
            copy.metadata_props.update(node.metadata_props)
            graph.insert_after(at, copy)
            result = copy.outputs[0]
            result.shape, result.type = output.shape, output.type
        if output.is_graph_output():
            name, output.name = output.name, None
            result.name = name
        output.replace_all_uses_with(result, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    let_go(node.attributes["else_branch" if taken else "then_branch"].as_graph())


def merge_branches(node: ir.Node, names: FreshNames) -> None:
    """Compute both branches, and choose: an operator has no effect beside its outputs, whose shapes are equal here.

    Given    y = If<then: t = Relu(x) → t; else: e = Neg(x) → e>(c)
    Result   t = Relu(x);  e = Neg(x);  y = Where(c, t, e)
    """
    graph, condition = graph_of(node), node.inputs[0]
    at, ones = move_body(node.attributes["then_branch"].as_graph(), node, node, names)
    at, others = move_body(node.attributes["else_branch"].as_graph(), node, at, names, renamed=True)
    scalar = ir.Value(name=names.fresh(f"{node.name or 'if'}_scalar"), const_value=ir.tensor(np.zeros(0, np.int64)))
    graph.register_initializer(scalar)
    chosen = ir.node("Reshape", [condition, scalar], name=node.name)
    new = [chosen]
    for output, one, other in zip(node.outputs, ones, others, strict=True):
        where = ir.node("Where", [chosen.outputs[0], one, other], name=node.name)
        result = where.outputs[0]
        result.shape, result.type = output.shape, output.type
        result.name, output.name = output.name, None
        output.replace_all_uses_with(result, replace_graph_outputs=True)
        new.append(where)
    for each in new:
        each.metadata_props.update(node.metadata_props)
    graph.insert_after(at, new)
    graph.remove(node, safe=True)
