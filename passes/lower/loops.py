"""keraport::Loop and keraport::If in standard operators: their bodies read what is outside of them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of


def loop(node: ir.Node, names: FreshNames) -> None:
    """[most?, condition?, states …, whole …, taken …] → [states …, rows …], in turns of the body."""
    at, told = Builder(node, names), node.attributes
    body, inputs = told["body"].as_graph(), list(node.inputs)
    _rename(body, names)
    most = inputs.pop(0) if told.get_int("has_most", 0) else None
    condition = inputs.pop(0) if told.get_int("has_condition", 0) else None
    states, scanned = told["states"].as_int(), told["scanned"].as_int()
    wholes = inputs[states : states + scanned]
    if wholes:
        most = _length(at, wholes[0])
    elif most is None and (turns := told.get_int("turns", -1)) >= 0:
        most = at.constant(np.array(turns, np.int64), "most")
    backwards = list(told.get_ints("backwards", ()) or [0] * scanned)
    rows = [_row(at, body, whole, most, bool(back)) for whole, back in zip(wholes, backwards, strict=True)]
    for inner, outer in zip(body.inputs[1 + states :], [*rows, *inputs[states + scanned :]], strict=True):
        inner.replace_all_uses_with(outer, replace_graph_outputs=True)  # type: ignore[arg-type]
    del body.inputs[1 + states :]
    goes_on = ir.Value(name=names.fresh(f"{at.stem}_goes_on"), shape=ir.Shape(()), type=ir.TensorType(ir.DataType.BOOL))
    body.inputs.insert(1, goes_on)
    if not told.get_int("conditional", 0):
        body.outputs.insert(0, _identity(body, goes_on, names))
    body.outputs[:] = [_own(body, value, names) for value in body.outputs]
    first = condition if condition is not None else at.constant(np.array(True), "true")
    outputs = [ir.Value(name=names.fresh(f"{at.stem}_loop"), type=old.type, shape=old.shape) for old in node.outputs]
    made = ir.node("Loop", [most, first, *inputs[:states]], {"body": body}, outputs=outputs, name=node.name)
    at.graph.insert_before(node, made)
    turned = list(told.get_ints("gathered_backwards", ()) or [0] * (len(outputs) - states))
    at.replace(*outputs[:states], *(_turned(at, *each) for each in zip(outputs[states:], turned, strict=True)))


def branches(node: ir.Node, names: FreshNames) -> None:
    """[condition, taken …] → what the branch gives that is taken."""
    at = Builder(node, names)
    graphs = {name: node.attributes[name].as_graph() for name in ("then_branch", "else_branch")}
    for graph in graphs.values():
        _rename(graph, names)
        for inner, outer in zip(graph.inputs, node.inputs, strict=True):
            inner.replace_all_uses_with(outer, replace_graph_outputs=True)  # type: ignore[arg-type]
        graph.inputs.clear()
        graph.outputs[:] = [_own(graph, value, names) for value in graph.outputs]
    outputs = [ir.Value(name=names.fresh(f"{at.stem}_if"), type=old.type, shape=old.shape) for old in node.outputs]
    made = ir.node("If", node.inputs[:1], graphs, outputs=outputs, name=node.name)
    at.graph.insert_before(node, made)
    at.replace(*outputs)


def _rename(body: ir.Graph, names: FreshNames) -> None:
    """The body had names of its own; from now on it sees those around it."""
    for value in (*body.inputs, *body.initializers.values(), *(value for inner in body for value in inner.outputs)):
        if value.name:
            value.name = names.fresh(value.name)


def _length(at: Builder, whole: ir.Value | None) -> ir.Value:
    size = at.size(whole, 0)
    return at.node("Squeeze", [size, at.constant([0], "axis")], [])


def _row(at: Builder, body: ir.Graph, whole: ir.Value | None, most: ir.Value | None, back: bool) -> ir.Value:
    """The row of a turn, taken inside of the body."""
    place = body.inputs[0]
    new: list[ir.Node] = []
    if back:
        last = at.node("Sub", [most, at.constant(np.array(1, np.int64), "one")], [])
        new.append(ir.node("Sub", [last, place]))
        place = new[-1].outputs[0]
        place.name, place.dtype, place.shape = at.names.fresh("place"), ir.DataType.INT64, ir.Shape(())
    new.append(ir.node("Gather", [whole, place], {"axis": 0}))
    row = new[-1].outputs[0]
    row.name = at.names.fresh(f"{at.stem}_row")
    if whole is not None and whole.shape is not None:
        row.type, row.shape = whole.type, ir.Shape(list(whole.shape)[1:])
    if len(body):
        body.insert_before(body[0], new)
    else:
        body.extend(new)
    return row


def _own(body: ir.Graph, value: ir.Value, names: FreshNames) -> ir.Value:
    """An output that a node of the body makes."""
    maker = value.producer()
    return value if maker is not None and maker.graph is body else _identity(body, value, names)


def _identity(body: ir.Graph, value: ir.Value, names: FreshNames) -> ir.Value:
    node = ir.node("Identity", [value])
    made = node.outputs[0]
    made.name, made.type, made.shape = names.fresh(f"{value.name}_again"), value.type, value.shape
    body.append(node)
    return made


def _turned(at: Builder, value: ir.Value, back: int) -> ir.Value:
    """The rows in their order, the last turn's first where they are gathered backwards."""
    if not back:
        return value
    bounds = ([-1], [-(2**62)], [0], [-1])
    constants = [at.constant(each, label) for each, label in zip(bounds, ("start", "end", "axis", "step"), strict=True)]
    return at.node("Slice", [value, *constants], sizes_of(value))
