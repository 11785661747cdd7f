"""A Loop that ends when its counter reaches a number turns that often, and what it carries unchanged is no state.

    Given    y, z, m = Loop(, Less(0, t), 0, x, w)                                      t: how many rows a value has
                 <body: (i, c, j, v, k) → (Less(j + 1, t), j + 1, v·k, k, Gather(rows, j))>
    Result   y, z = Scan(0, x, rows) <body: (j, v, row) → (j + 1, v·w, row)>

As tf2onnx writes the loops of TensorFlow, and paddle2onnx those of PaddlePaddle. Conditions beside that on the counter
stay. Where t is no size of what is gone along, the Loop stays one, with t for its most turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.fold.loops import LoopRewrite, Numbers, Shapes
from passes.graph.builder import Names, as_attribute

_WHOLE = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.UINT32, ir.DataType.INT16)
_EXACT = (*_WHOLE, ir.DataType.FLOAT, ir.DataType.DOUBLE)
"""What holds the number of any turn that a loop may take."""


class _Count(NamedTuple):
    """A value and a number that is added to it; without a value the number alone."""

    base: ir.Value | None
    more: int


@dataclass(frozen=True)
class _Limit:
    """There is a turn as long as `counted` is below `end`."""

    counted: _Count
    end: _Count


class CountedLoop(LoopRewrite):
    """Writes the leaner node behind a Loop.

    Args:
        sizes: the contents of a small value, as numbers or as dimensions, or None.
    """

    def __init__(self, node: ir.Node, names: Names, numbers: Numbers, shape: Shapes, sizes: Numbers) -> None:
        super().__init__(node, names, numbers, shape)
        self._sizes = sizes
        self._inputs = [*node.inputs, *[None] * (2 - len(node.inputs))]
        self._outputs = list(node.outputs)

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
            inside, after, output = (
                self._body.inputs[place + 2],
                self._body.outputs[place + 1],
                self._outputs[place],
            )
            is_read = bool(inside.uses()) or any(value is inside for value in self._body.outputs)
            is_kept = _identical(after) is inside
            if outer is not None and (is_kept or not (is_read or output.uses() or output.is_graph_output())):
                idle[inside] = outer
        return idle

    def _turns(self, idle: dict[ir.Value, ir.Value]) -> tuple[_Limit, int] | None:
        """How far the counter may go, and the fewest turns: the condition no longer looks at it."""
        parts = list(_parts(self._body.outputs[0]))
        for part in parts:
            limit = self._limit(part, idle)
            start = None if limit is None else self._start(limit.counted.base)
            if limit is None or start is None:
                continue
            others = [other for other in parts if other is not part and other is not self._body.inputs[1]]
            before = start.more + limit.counted.more - 1  # what the first turn would have been told
            first = _Limit(_Count(start.base, before), limit.end)
            told = [self._limit(other, {}) for other in _parts(self._inputs[1])] if self._inputs[1] is not None else []
            is_same = len(told) == 1 and told[0] is not None and self._agree(told[0], first)
            if self._inputs[1] is not None and self._is_true(self._inputs[1]):
                is_same = (known := self._known(first)) is not None and known > 0
            if is_same:
                self._inputs[1] = self._constant(np.array(True), "true")
            self._body.outputs[0] = self._both(others)
            return first, 0 if is_same else 1
        return None

    def _start(self, base: ir.Value | None) -> _Count | None:
        """What a value of the body is in the first turn, if it is one more in each."""
        if base is self._body.inputs[0]:
            return _Count(None, 0)
        if base is None or not any(base is value for value in self._body.inputs[2:]):
            return None
        place = next(place for place, value in enumerate(self._body.inputs) if value is base)
        outer = self._inputs[place]
        if self._count(self._body.outputs[place - 1]) != _Count(base, 1) or outer is None or outer.dtype not in _WHOLE:
            return None
        return self._count(outer)

    def _limit(self, condition: ir.Value, idle: dict[ir.Value, ir.Value]) -> _Limit | None:
        """A condition that a count is below one that stands still."""
        maker = condition.producer()
        if maker is None or maker.op_type not in _COMPARISONS:
            return None
        is_swapped, more = _COMPARISONS[maker.op_type]
        low, high = (self._count(value) for value in (reversed(maker.inputs) if is_swapped else maker.inputs))
        if low is None or high is None:
            return None
        base = high.base if high.base is None else idle.get(high.base, high.base)
        outside = self._count(base) if base is not None else _Count(None, 0)
        if outside is None or self._is_inside(outside.base):
            return None
        return _Limit(low, _Count(outside.base, outside.more + high.more + more))

    def _count(self, value: ir.Value | None) -> _Count | None:
        """What is counted from which value, through casts, and sums with numbers."""
        more = 0
        while value is not None:
            if (known := self._number(value)) is not None:
                return None if known != int(known) else _Count(None, more + int(known))
            maker = value.producer()
            if maker is None or maker.domain != "":
                break
            following = maker.inputs[0] if maker.inputs else None
            if maker.op_type == "Cast" and maker.attributes.get_int("to", 0) in _EXACT:
                value = following
            elif maker.op_type == "Identity":
                value = following
            elif maker.op_type in ("Add", "Sub") and (step := self._number(maker.inputs[1])) is not None:
                if step != int(step):
                    return None
                more, value = more + int(step) * (1 if maker.op_type == "Add" else -1), following
            elif maker.op_type == "Add" and (step := self._number(following)) is not None and step == int(step):
                more, value = more + int(step), maker.inputs[1]
            else:
                break
        if value is None or (value.dtype is not None and value.dtype not in _WHOLE):
            return None
        return _Count(value, more)

    def _number(self, value: ir.Value | None) -> float | None:
        if value is None:
            return None
        found = value.const_value.numpy() if value.const_value is not None else self._numbers(value)
        maker = value.producer()
        if found is None and maker is not None and maker.op_type == "Constant":
            tensor = ir.convenience.get_const_tensor(value)
            found = None if tensor is None else tensor.numpy()
        return float(found.item()) if found is not None and found.size == 1 and found.dtype.kind in "iuf" else None

    def _is_inside(self, value: ir.Value | None) -> bool:
        if value is None:
            return False
        maker = value.producer()
        return any(value is each for each in self._body.inputs) or (maker is not None and maker.graph is self._body)

    def _is_true(self, value: ir.Value) -> bool:
        found = self._numbers(value)
        return found is not None and bool(found.all())

    def _agree(self, one: _Limit, other: _Limit) -> bool:
        """Whether two conditions are the same."""
        gap = one.end.more - one.counted.more, other.end.more - other.counted.more
        return one.end.base is other.end.base and one.counted.base is other.counted.base and gap[0] == gap[1]

    def _known(self, limit: _Limit) -> int | None:
        both = limit.end.base is None and limit.counted.base is None
        return limit.end.more - limit.counted.more if both else None

    def _often(self, limit: _Limit) -> Dim | None:
        """The same as a size, where it is one."""
        known = [np.zeros(1, np.int64) if side.base is None else self._sizes(side.base) for side in (limit.end, limit.counted)]
        if known[0] is None or known[1] is None:
            return None
        return known[0].reshape(-1)[0] + limit.end.more - known[1].reshape(-1)[0] - limit.counted.more  # type: ignore[no-any-return]

    def _difference(self, limit: _Limit, least: int) -> ir.Value:
        """How far the count is from its end, at least that much."""
        known = self._known(limit)
        if known is not None:
            return self._constant(np.array(max(known, least), np.int64), "turns")
        parts = [None if side.base is None else self._as_scalar(side.base) for side in (limit.end, limit.counted)]
        more = limit.end.more - limit.counted.more
        found = parts[0] if parts[0] is not None else self._constant(np.array(more, np.int64), "turns")
        if parts[0] is not None and more:
            found = self._write("Add", [found, self._constant(np.array(more, np.int64), "more")])
        if parts[1] is not None:
            found = self._write("Sub", [found, parts[1]])
        if least:
            found = self._write("Max", [found, self._constant(np.array(least, np.int64), "least")])
        return found

    def _as_scalar(self, value: ir.Value) -> ir.Value:
        if value.dtype is not ir.DataType.INT64:
            value = self._write("Cast", [value], {"to": int(ir.DataType.INT64)})
        return self._write("Reshape", [value, self._constant(np.zeros(0, np.int64), "scalar")], {"allowzero": 0})

    def _least(self, most: ir.Value | None, turns: ir.Value) -> ir.Value:
        """The fewer of what the node says and what its counter does."""
        one, other = self._numbers(most), self._number(turns)
        if most is None or (one is not None and other is not None and other <= one.item()):
            return turns
        if one is not None and other is not None:
            return most
        return self._write("Min", [self._as_scalar(most), turns])

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

    def _gone_along(self, limit: _Limit, least: int) -> list[tuple[ir.Node, ir.Value]]:
        """The nodes of the body that take one row of a value in every turn, first to last; [] where it stays a Loop."""
        is_plain = self._body.outputs[0] is self._body.inputs[1] and self._inputs[0] is None
        often = self._often(limit)
        if not is_plain or least or often is None or self._body.inputs[0].uses():
            return []
        found: list[tuple[ir.Node, ir.Value]] = []
        for node in self._body:
            if node.op_type != "Gather" or node.domain != "" or node.attributes.get_int("axis", 0):
                continue
            whole, place = node.inputs
            base = self._count(place)
            start = None if base is None or base.more else self._start(base.base)
            sizes = None if self._is_inside(whole) else self._shape(whole)
            if start != _Count(None, 0) or whole is None or not sizes:
                continue
            if sizes[0] == often:
                found.append((node, whole))
        return found

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
            new.name, old.name = old.name, None
            new.shape, new.type = old.shape, old.type
            old.replace_all_uses_with(new, replace_graph_outputs=True)
        self._graph.remove(self._node, safe=True)


_COMPARISONS = {"Less": (False, 0), "LessOrEqual": (False, 1), "Greater": (True, 0), "GreaterOrEqual": (True, 1)}
"""Whether the count stands second, and what is added to its end."""


def _identical(value: ir.Value) -> ir.Value:
    while (maker := value.producer()) is not None and maker.op_type == "Identity" and maker.inputs[0] is not None:
        value = maker.inputs[0]
    return value


def _parts(condition: ir.Value | None) -> Iterable[ir.Value]:
    """What has to hold for a condition to hold."""
    if condition is None:
        return
    condition = _identical(condition)
    maker = condition.producer()
    if maker is not None and maker.op_type == "And":
        for part in maker.inputs:
            yield from _parts(part)
    else:
        yield condition
