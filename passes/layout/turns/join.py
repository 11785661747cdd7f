"""Transposes that do the same, written once."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, shape_of, sizes_of
from passes.layout.turns.orders import Order


class JoinTransposes(ir.passes.InPlacePass):
    """Given    p, q = Split(x)  t = Transpose(p)  u = Transpose(q)
    Result   t, u = Split(Transpose(x))             as where cosines of places are used by halves, in every layer

    Given    t = Transpose(x)  u = Transpose(x)
    Result   t = Transpose(x)                       read in the place of both

    Where all do the same, and what is split is needed in no other order.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names, joined = FreshNames(model), False
        for node in list(model.graph):
            if node.op_type == "Split" and node.domain == "" and (order := _common_order(node)) is not None:
                _split_behind(node, order, names)
                joined = True
        alike: dict[tuple[ir.Value, Order], list[ir.Node]] = {}
        for node in model.graph:
            if node.op_type == "Transpose" and node.domain == "" and node.inputs[0] is not None:
                alike.setdefault((node.inputs[0], _order(node)), []).append(node)
        for (x, order), nodes in alike.items():
            if len(nodes) > 1 and x.producer() is not None and not any(n.outputs[0].is_graph_output() for n in nodes):
                _write_once(x, order, nodes, names)
                joined = True
        return ir.passes.PassResult(model, joined)


def _common_order(split: ir.Node) -> Order | None:
    """How all the parts are transposed, where that is all that is done with them."""
    orders = set()
    for part in split.outputs:
        if part.is_graph_output() or not part.uses():
            return None
        for use in part.uses():
            if use.node.op_type != "Transpose" or use.node.domain != "" or use.node.outputs[0].is_graph_output():
                return None
            orders.add(_order(use.node))
    return orders.pop() if len(orders) == 1 and len(split.outputs) > 1 else None


def _order(transpose: ir.Node) -> Order:
    return tuple(transpose.attributes["perm"].as_ints())


def _split_behind(split: ir.Node, order: Order, names: FreshNames) -> None:
    x, at = split.inputs[0], Builder(split, names)
    if x is None:
        raise ValueError(f"{split.name!r} splits nothing.")
    turned = at.node("Transpose", [x], [sizes_of(x)[axis] for axis in order], {"perm": order})
    axis = split.attributes.get_int("axis", 0) % len(order)
    split.replace_input_with(0, turned)
    split.attributes["axis"] = ir.AttrInt64("axis", order.index(axis))
    for part in split.outputs:
        sizes = sizes_of(part)
        part.shape = shape_of([sizes[axis] for axis in order])
        _take_place(part, [use.node for use in part.uses()])


def _write_once(x: ir.Value, order: Order, nodes: Sequence[ir.Node], names: FreshNames) -> None:
    """Right behind what makes the value, and in its module: no layer gets from another what both could make."""
    maker = x.producer()
    if maker is None or maker.graph is None:
        raise ValueError(f"Nothing makes {x.name!r}.")
    made = Builder(maker, names).node("Transpose", [x], [sizes_of(x)[axis] for axis in order], {"perm": order})
    if (transpose := made.producer()) is not None:
        maker.graph.remove(transpose)
        maker.graph.insert_after(maker, transpose)
    _take_place(made, nodes)


def _take_place(value: ir.Value, transposes: Sequence[ir.Node]) -> None:
    for node in transposes:
        node.outputs[0].replace_all_uses_with(value)
        if node.graph is not None:
            node.graph.remove(node, safe=True)
