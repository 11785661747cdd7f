"""A Loop that ends when its counter reaches a number turns that often, and what it carries unchanged is no state.

    Given    y, z, m = Loop(, Less(0, t), 0, x, w)                                      t: how many rows a value has
                 <body: (i, c, j, v, k) → (Less(j + 1, t), j + 1, v·k, k, Gather(rows, j))>
    Result   y, z = Scan(0, x, rows) <body: (j, v, row) → (j + 1, v·w, row)>

As tf2onnx writes the loops of TensorFlow, and paddle2onnx those of PaddlePaddle. Conditions beside that on the counter
stay. Where t is no size of what is gone along, the Loop stays one, with t for its most turns.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.least import known_lower_bound
from passes.fold.body import hand_on
from passes.fold.loops.counters import Count, Counters, Limit, identical, parts
from passes.fold.loops.unrolled import LoopRewrite, Numbers, Shapes
from passes.graph.builder import FreshNames, as_attribute


class CountedLoop(LoopRewrite):
    """Writes the leaner node behind a Loop.

    Args:
        sizes: the contents of a small value, as numbers or as dimensions, or None.
    """

    def __init__(self, node: ir.Node, names: FreshNames, numbers: Numbers, shape: Shapes, sizes: Numbers) -> None:
        super().__init__(node, names, numbers, shape)
        self._sizes = sizes
        self._inputs = [*node.inputs, *[None] * (2 - len(node.inputs))]
        self._outputs = list(node.outputs)
        self._counters = Counters(self._body, self._inputs, numbers)

    def write(self) -> bool:
        """Put it in the place of the node; False where there is nothing to do. A walk comes to the new nodes next."""
        states = len(self._inputs) - 2
        if self._node.op_type != "Loop" or len(self._body.inputs) != states + 2:
            return False
        if len(self._body.outputs) != len(self._outputs) + 1 or None in self._inputs[2:]:
            return False
        idle = self._idle()
        turns = self._turns(idle)
        if turns is None and not idle:
            return False
        self._drop(idle)
        scanned = [] if turns is None else self._gone_along(*turns)
        if turns is not None and not scanned:
            self._inputs[0] = self._least(self._inputs[0], self._difference(*turns))
        self._replace(scanned)
        return True

    def _idle(self) -> dict[ir.Value, ir.Value]:
        """States that stay what they were, each with what that is, and those that nobody reads."""
        idle: dict[ir.Value, ir.Value] = {}
        for place, outer in enumerate(self._inputs[2:]):
            inside, after, output = self._body.inputs[place + 2], self._body.outputs[place + 1], self._outputs[place]
            is_read = bool(inside.uses()) or any(value is inside for value in self._body.outputs)
            is_kept = identical(after) is inside
            if outer is not None and (is_kept or not (is_read or output.uses() or output.is_graph_output())):
                idle[inside] = outer
        return idle

    def _turns(self, idle: dict[ir.Value, ir.Value]) -> tuple[Limit, int] | None:
        """How far the counter may go, and the fewest turns: the condition no longer looks at it."""
        conditions = list(parts(self._body.outputs[0]))
        for part in conditions:
            limit = self._counters.limit(part, idle)
            start = None if limit is None else self._counters.start(limit.counted.base)
            if limit is None or start is None:
                continue
            others = [other for other in conditions if other is not part and other is not self._body.inputs[1]]
            before = start.more + limit.counted.more - 1  # what the first turn would have been told
            first = Limit(Count(start.base, before), limit.end)
            told = [self._counters.limit(other, {}) for other in parts(self._inputs[1])]
            is_same = len(told) == 1 and told[0] is not None and told[0].agrees(first)
            if self._inputs[1] is not None and self._is_true(self._inputs[1]):
                often = first.distance(self._sizes)
                is_same = often is not None and (known_lower_bound(often) or 0) >= 1
            if is_same:
                self._inputs[1] = self._constant(np.array(True), "true")
            self._body.outputs[0] = self._both(others)
            self._sweep()
            return first, 0 if is_same else 1
        return None

    def _difference(self, limit: Limit, least: int) -> ir.Value:
        """How far the count is from its end, at least that much."""
        known = limit.distance(self._numbers)
        if isinstance(known, int):
            return self._constant(np.array(max(known, least), np.int64), "turns")
        sides = [None if side.base is None else self._as_scalar(side.base) for side in (limit.end, limit.counted)]
        more = limit.end.more - limit.counted.more
        found = sides[0] if sides[0] is not None else self._constant(np.array(more, np.int64), "turns")
        if sides[0] is not None and more:
            found = self._write("Add", [found, self._constant(np.array(more, np.int64), "more")])
        if sides[1] is not None:
            found = self._write("Sub", [found, sides[1]])
        if least:
            found = self._write("Max", [found, self._constant(np.array(least, np.int64), "least")])
        return found

    def _as_scalar(self, value: ir.Value) -> ir.Value:
        if value.dtype is not ir.DataType.INT64:
            value = self._write("Cast", [value], {"to": int(ir.DataType.INT64)})
        return self._write("Reshape", [value, self._constant(np.zeros(0, np.int64), "scalar")], {"allowzero": 0})

    def _least(self, most: ir.Value | None, turns: ir.Value) -> ir.Value:
        """The fewer of what the node says and what its counter does."""
        one, other = self._numbers(most), self._counters.number(turns)
        if most is None or (one is not None and other is not None and other <= one.item()):
            return turns
        if one is not None and other is not None:
            return most
        return self._write("Min", [self._as_scalar(most), turns])

    def _is_true(self, value: ir.Value) -> bool:
        found = self._numbers(value)
        return found is not None and bool(found.all())

    def _both(self, conditions: list[ir.Value]) -> ir.Value:
        """All of these conditions, in the body."""
        if not conditions:
            return self._body.inputs[1]
        found, *others = conditions
        for other in others:
            node = ir.node("And", [found, other], name=self._node.name)
            node.outputs[0].name = self._names.fresh("goes_on")
            self._body.append(node)
            found = node.outputs[0]
        return found

    def _sweep(self) -> None:
        """What only the old condition read goes."""
        for node in reversed(self._body):
            if not any(output.uses() or output.is_graph_output() for output in node.outputs):
                self._body.remove(node, safe=True)

    def _drop(self, idle: dict[ir.Value, ir.Value]) -> None:
        """What no turn changes is read from outside."""
        for place in reversed(range(2, len(self._inputs))):
            inside = self._body.inputs[place]
            if inside not in idle:
                continue
            outer, output = idle[inside], self._outputs.pop(place - 2)
            del self._inputs[place], self._body.inputs[place], self._body.outputs[place - 1]
            inside.replace_all_uses_with(outer, replace_graph_outputs=True)
            if output.is_graph_output():
                outer = self._write("Identity", [outer])
                outer.name, output.name = output.name, None
                outer.shape, outer.type = output.shape, output.type
            output.replace_all_uses_with(outer, replace_graph_outputs=True)

    def _gone_along(self, limit: Limit, least: int) -> list[tuple[ir.Node, ir.Value]]:
        """The nodes of the body that take one row of a value in every turn, first to last; [] where it stays a Loop."""
        is_plain = self._body.outputs[0] is self._body.inputs[1] and self._inputs[0] is None
        often = limit.distance(self._sizes)
        own = self._body.inputs[:2]
        if (
            not is_plain
            or least
            or often is None
            or any(value.uses() or value in self._body.outputs[1:] for value in own)
        ):
            return []
        found: list[tuple[ir.Node, ir.Value]] = []
        for node in self._body:
            if node.op_type != "Gather" or node.domain != "" or node.attributes.get_int("axis", 0) != 0:
                continue
            whole, place = node.inputs
            start = self._start_of(place)
            sizes = None if self._counters.is_inside(whole) else self._shape(whole)
            if start != Count(None, 0) or whole is None or not sizes:
                continue
            if sizes[0] == often:
                found.append((node, whole))
        return found

    def _start_of(self, place: ir.Value | None) -> Count | None:
        """Where a counter starts that is one number, and is told as it is."""
        while (maker := None if place is None else place.producer()) is not None and maker.op_type in (
            "Cast",
            "Identity",
        ):
            place = maker.inputs[0]
        start = self._counters.start(place)
        if start is None or not any(place is value for value in self._body.inputs[2:]):
            return None
        outer = self._inputs[next(at for at, value in enumerate(self._body.inputs) if value is place)]
        return start if self._shape(outer) == () else None

    def _replace(self, scanned: list[tuple[ir.Node, ir.Value]]) -> None:
        """The new node, a Scan where there is something to go along, in the place of the old one."""
        inputs = self._inputs
        attributes: dict[str, object] = {"body": self._body}
        if scanned:
            del self._body.inputs[:2], self._body.outputs[0]
            for node, _ in scanned:
                row = ir.Value(name=self._names.fresh("row"))
                node.outputs[0].replace_all_uses_with(row, replace_graph_outputs=True)
                self._body.inputs.append(row)
                self._body.remove(node, safe=True)
            inputs = [*inputs[2:], *(whole for _, whole in scanned)]
            attributes["num_scan_inputs"] = len(scanned)
        written = [as_attribute(name, value) for name, value in attributes.items()]
        kind = "Scan" if scanned else "Loop"
        node = ir.Node("", kind, inputs, written, num_outputs=len(self._outputs), name=self._node.name)
        node.metadata_props.update(self._node.metadata_props)
        self._graph.insert_after(self._at, node)
        for old, new in zip(self._outputs, node.outputs, strict=True):
            hand_on(old, new)
        self._graph.remove(self._node, safe=True)
