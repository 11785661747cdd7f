"""An If on numbers, whose branches give outputs of different sizes, stays one node with branches that stand alone.

    Given    y = If(c) <then: t = Relu(x) → t; else: e = Concat(x, x) → e>
    Result   y = keraport::If(c, x) <then: (c', x') → Relu(x'); else: (c'', x'') → Concat(x'', x'')>

Only the one that is taken is computed. Their first input is the condition: a Keras model needs one.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.fold.body import graph_of, hand_on
from passes.fold.closed_body import add_input, close
from passes.fold.loops.unrolled import Numbers, Shapes
from passes.graph.builder import FreshNames, as_attribute

BRANCHES = ("then_branch", "else_branch")


def keep_branches(node: ir.Node, names: FreshNames, numbers: Numbers, shape: Shapes) -> ir.Node:
    """Put the new node in the place of the If, and return it.

    Raises:
        Unsupported: something that a branch takes from outside has no known shape.
    """
    condition = node.inputs[0]
    assert condition is not None
    bodies = [node.attributes[name].as_graph() for name in BRANCHES]
    for body in bodies:
        add_input(body, names, "condition", shape(condition), condition.dtype)
    taken = close(bodies, node, names, numbers, shape)
    attributes = [as_attribute(name, body) for name, body in zip(BRANCHES, bodies, strict=True)]
    kept = ir.Node("keraport", "If", [condition, *taken], attributes, num_outputs=len(node.outputs), name=node.name)
    kept.metadata_props.update(node.metadata_props)
    graph_of(node).insert_after(node, kept)
    for old, new in zip(node.outputs, kept.outputs, strict=True):
        hand_on(old, new)
    graph_of(node).remove(node, safe=True)
    names.opset_imports.setdefault("keraport", 1)
    return kept
