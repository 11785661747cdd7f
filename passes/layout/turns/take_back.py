"""Transposes taken back into what they transpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx_ir as ir

from passes.errors import operator
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.layout.turns import products, views
from passes.layout.turns.orders import Order, Turn, turn_of

RULE_MODULES = (products, views)

MOST_STEPS = 20
"""How far back it is looked."""

MOST_AGAIN = 4
"""How many steps are computed a second time rather than transposed."""


class TakeBackTransposes(ir.passes.InPlacePass):
    """Given    t = Transpose<perm>(f(x, …))
    Result   t = f'(x', …)                      with x' what x is in that order, taken back in its turn

    It ends at constants, which are seen in another way, and where only axes of size 1 change places, which is a
    reshape: an Einsum names its axes in another order, as does a product that becomes one, a table is looked up by its
    columns, positions along one axis are compared with those along another the other way about, and what had been
    transposed before is not.

    Not where it ends anywhere else, which would only give other transposes. Not where a step is read elsewhere, too,
    unless it is light: a few operators that compute each element of a table by itself.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        back, taken = _Back(FreshNames(model)), False
        while sum(map(back.take, _transposes(model.graph))):  # one less may be a reader less of what another transposes
            taken = True
        return ir.passes.PassResult(model, taken)


def _transposes(graph: ir.Graph) -> Iterator[ir.Node]:
    """Those that are there when their turn has come."""
    for node in list(graph):
        if node.graph is not None and node.domain == "" and node.op_type == "Transpose":
            yield node


class _Back:
    def __init__(self, names: FreshNames) -> None:
        self.names = names
        self._again: dict[tuple[ir.Value, Order], ir.Value] = {}
        self._new: set[ir.Value] = set()

    def take(self, transpose: ir.Node) -> bool:
        value, order = transpose.inputs[0], tuple(transpose.attributes["perm"].as_ints())
        if value is None or not _is_possible(value, order, MOST_STEPS, once=True):
            return False
        self._new.clear()
        made, at = self._turned(value, order, transpose, once=True), Builder(transpose, self.names)
        if made not in self._new:  # what was there already keeps its name
            made = at.node("Identity", [made], sizes_of(transpose.outputs[0]))
        at.replace(made)
        _remove_unread(value)
        return True

    def _turned(self, value: ir.Value, order: Order, reader: ir.Node, *, once: bool) -> ir.Value:
        """The value in this order, for a node that stands behind it."""
        if value.const_value is not None and reader.graph is not None:
            shape = _padded(value, order)
            return self.names.weight_views.view(reader.graph, value, [("reshape", shape), ("transpose", order)])
        if _moves_nothing(value, order):
            return self._reshaped(value, order, reader)
        node = value.producer()
        turn = None if node is None else turn_of(node, order)
        if node is None or turn is None:
            raise ValueError(f"{value.name!r} cannot be computed in the order {order}.")
        if turn.is_nothing and node.inputs[0] is not None and turn.orders[0] is not None:
            return self._turned(node.inputs[0], turn.orders[0], reader, once=once and _is_read_once(value))
        made = self._again.get((value, order))
        if made is None or not _is_there(made):
            made = self._again[value, order] = self._computed(node, turn, order, once=once and _is_read_once(value))
        return made

    def _computed(self, node: ir.Node, turn: Turn, order: Order, *, once: bool) -> ir.Value:
        """The node once more, in front of itself, with its result in this order; in its place where `once`."""
        turned = {
            place: self._turned(value, wanted, node, once=once)
            for place, (value, wanted) in enumerate(zip(node.inputs, turn.orders, strict=True))
            if value is not None and wanted is not None
        }
        # After that: the size of what was turned may be read off it by now, along another axis.
        inputs = [turned.get(place, value) for place, value in enumerate(node.inputs)]
        at, result = Builder(node, self.names), node.outputs[0]
        if turn.axes is not None:
            inputs[turn.axes[0]] = at.constant(turn.axes[1], "axes")
        attributes, sizes = {**node.attributes, **turn.attributes}, [sizes_of(result)[axis] for axis in order]
        name = node.name if once else None
        op_type, domain = turn.operator or (node.op_type, node.domain)
        if turn.is_led and inputs[0] is not None:
            led, first = [1, *sizes_of(inputs[0])], at.constant([0], "axes")
            inputs[0] = at.node("Unsqueeze", [inputs[0], first], led)
            made = at.node(op_type, inputs, [1, *sizes], attributes, domain=domain, dtype=result.dtype, name=name)
            made = at.node("Squeeze", [made, first], sizes)
        else:
            made = at.node(op_type, inputs, sizes, attributes, domain=domain, dtype=result.dtype, name=name)
        for use in [use for use in result.uses() if once and _is_of_size(use)]:
            axis = use.node.attributes["axis"].as_int()
            use.node.attributes["axis"] = ir.AttrInt64("axis", order.index(axis))
            use.node.replace_input_with(use.idx, made)
        self._new.add(made)
        return made

    def _reshaped(self, value: ir.Value, order: Order, reader: ir.Node) -> ir.Value:
        """Axes of size 1 in other places, of what the value was before it had them where they are."""
        at, sizes = Builder(reader, self.names), sizes_of(value)
        target = [([1] * (len(order) - len(sizes)) + sizes)[axis] for axis in order]
        while (before := _before(value)) is not None:
            value = before
        sizes = sizes_of(value)
        if target == sizes:
            return value
        gone, new = ([axis for axis, size in enumerate(side) if size == 1] for side in (sizes, target))
        if gone:
            value = at.node("Squeeze", [value, at.constant(gone, "axes")], [size for size in sizes if size != 1])
        if new:
            value = at.node("Unsqueeze", [value, at.constant(new, "axes")], target)
        self._new.add(value)
        return value


def _is_possible(value: ir.Value, order: Order, steps: int, *, once: bool) -> bool:
    """Whether everything that has to change its order can.

    Args:
        once: what makes the value is not needed in its old order, too.
    """
    if len(sizes_of(value)) > len(order):
        return False
    if value.const_value is not None or _moves_nothing(value, order):
        return True
    node = value.producer()
    once = once and _is_read_once(value)
    steps = steps - 1 if once else min(steps - 1, MOST_AGAIN - 1)
    if node is None or steps < 0 or len(sizes_of(value)) != len(order) or len(node.outputs) != 1:
        return False
    turn = turn_of(node, order)
    if turn is None or not (once or turn.is_light):
        return False
    pairs = zip(node.inputs, turn.orders, strict=True)
    return all(x is None or o is None or _is_possible(x, o, steps, once=once) for x, o in pairs)


def _moves_nothing(value: ir.Value, order: Order) -> bool:
    """Whether only axes of size 1 change places."""
    sizes = _padded(value, order)
    long = [axis for axis in order if sizes[axis] != 1]
    return long == sorted(long)


def _before(value: ir.Value) -> ir.Value | None:
    """What has the same axes, but for those of size 1."""
    node = value.producer()
    x = node.inputs[0] if node is not None and node.op_type in ("Reshape", "Squeeze", "Unsqueeze") else None
    if node is None or node.domain or x is None:
        return None
    before, after = ([size for size in sizes_of(each) if size != 1] for each in (x, value))
    return x if before == after else None


def _padded(value: ir.Value, order: Order) -> tuple[int, ...]:
    """The sizes with as many axes as the order has; 0 for an open one."""
    sizes = [size if isinstance(size, int) else 0 for size in sizes_of(value)]
    return (*[1] * (len(order) - len(sizes)), *sizes)


def _is_read_once(value: ir.Value) -> bool:
    """Readers that want the size of one axis only find it in any order."""
    return sum(not _is_of_size(use) for use in value.uses()) == 1 and not value.is_graph_output()


def _is_there(value: ir.Value) -> bool:
    """Its node may have gone with those that read it."""
    node = value.producer()
    return node is not None and node.graph is not None


def _is_of_size(use: Any) -> bool:
    return (operator(use.node), use.idx) in (("keraport::Expand", 1), ("keraport::Positions", 0))


def _remove_unread(value: ir.Value) -> None:
    """What made a value that nobody reads any more, and what made that."""
    unread = [value]
    while unread:
        node = unread.pop().producer()
        if node is None or node.graph is None or any(v.uses() or v.is_graph_output() for v in node.outputs):
            continue
        unread += [x for x in node.inputs if x is not None]
        node.graph.remove(node, safe=True)
