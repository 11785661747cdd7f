"""A state of a Loop that every turn makes longer is rows that are gathered, one of each turn.

    Given    y = Loop(n, true, x0) <body: (i, c, v) → (c, w = Concat<axis=1>(v, part))>
    Result   rows = Loop(n, true) <body: (i, c) → (c, part)>;   y = Concat<axis=1>(x0, the rows side by side)

The same for a list that starts empty and to which every turn appends. Not where the body reads the state otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.fold.body import hand_on
from passes.fold.loops.unrolled import LoopRewrite, Numbers, Shapes
from passes.graph.builder import FreshNames

ASKED_OF_ROWS = ("ConcatFromSequence", "SequenceAt", "SequenceLength")
"""What can be asked of a list of which only the number of tensors is open."""


@dataclass(frozen=True)
class _Grown:
    """A state, and what every turn adds to it; the axis is None for a list."""

    place: int
    part: ir.Value
    axis: int | None


class GrownStates(LoopRewrite):
    """Writes a Loop without such states behind the node.

    Args:
        is_empty_list: whether a value is known to be a list of no tensor.
        as_list: takes note of a value whose rows are read as a list.
    """

    def __init__(
        self,
        node: ir.Node,
        names: FreshNames,
        numbers: Numbers,
        shape: Shapes,
        is_empty_list: Callable[[ir.Value | None], bool],
        as_list: Callable[[ir.Value], None],
    ) -> None:
        super().__init__(node, names, numbers, shape)
        self._is_empty_list = is_empty_list
        self._as_list = as_list

    def write(self) -> bool:
        """Put it in the place of the node; False where no state grows. A walk comes to the new nodes next."""
        states = len(self._node.inputs) - 2
        if self._node.op_type != "Loop" or states < 1 or len(self._body.inputs) != states + 2:
            return False
        found = [grown for place in range(states) if (grown := self._grown(place)) is not None]
        if not found or len(self._body.outputs) != len(self._node.outputs) + 1:
            return False
        inputs, outputs = list(self._node.inputs), list(self._node.outputs)
        after = list(self._body.outputs)
        for grown in reversed(found):
            maker = after[grown.place + 1].producer()
            del inputs[grown.place + 2], outputs[grown.place], after[grown.place + 1]
            self._body.outputs[:] = after
            if maker is not None:
                self._body.remove(maker, safe=True)
            del self._body.inputs[grown.place + 2]
        self._body.outputs.extend(self._own(grown.part) for grown in found)
        loop = self._loop(inputs, len(outputs) + len(found))
        for old, new in zip(outputs, loop.outputs, strict=False):
            hand_on(old, new)
        for grown, rows in zip(found, loop.outputs[len(outputs) :], strict=True):
            self._join(grown, rows)
        self._graph.remove(self._node, safe=True)
        return True

    def _grown(self, place: int) -> _Grown | None:
        inside, after = self._body.inputs[place + 2], self._body.outputs[place + 1]
        outer, output = self._node.inputs[place + 2], self._node.outputs[place]
        maker = after.producer()
        if maker is None or maker.domain != "" or maker.graph is not self._body or len(inside.uses()) != 1:
            return None
        if after.uses() or sum(value is after or value is inside for value in self._body.outputs) != 1:
            return None
        if len(maker.inputs) != 2 or maker.inputs[0] is not inside or (part := maker.inputs[1]) is None:
            return None
        is_asked = all(use.node.op_type in ASKED_OF_ROWS for use in output.uses()) and not output.is_graph_output()
        if maker.op_type == "SequenceInsert" and self._is_empty_list(outer) and is_asked:
            return _Grown(place, part, None)
        sizes = self._shape(outer)
        if maker.op_type != "Concat" or not sizes:
            return None
        return _Grown(place, part, maker.attributes["axis"].as_int() % len(sizes))

    def _own(self, part: ir.Value) -> ir.Value:
        """The same as an output that the body makes: another one may have it, or it comes from outside."""
        node = ir.node("Identity", [part], name=self._node.name)
        node.outputs[0].name = self._names.fresh("row")
        self._body.append(node)
        return node.outputs[0]

    def _loop(self, inputs: Sequence[ir.Value | None], count: int) -> ir.Node:
        loop = ir.node("Loop", inputs, {"body": self._body}, num_outputs=count, name=self._node.name)
        loop.metadata_props.update(self._node.metadata_props)
        for output in loop.outputs:
            output.name = self._names.fresh(f"{self._node.name or 'loop'}_rows")
        self._graph.insert_after(self._at, loop)
        self._at = loop
        return loop

    def _join(self, grown: _Grown, rows: ir.Value) -> None:
        """What the state is in the end."""
        first, output = self._node.inputs[grown.place + 2], self._node.outputs[grown.place]
        if grown.axis is None or first is None:
            rows = self._write("Identity", [rows])  # the Loop becomes another node, with other outputs
            output.replace_all_uses_with(rows)
            self._as_list(rows)
            return
        sizes = self._shape(first)
        assert sizes is not None  # _grown has looked
        joined = side_by_side(rows, grown.axis, len(sizes), self._write, self._constant)
        hand_on(output, self._write("Concat", [first, joined], {"axis": grown.axis}))


Write = Callable[..., ir.Value]
Constant = Callable[[np.ndarray, str], ir.Value]


def side_by_side(rows: ir.Value, axis: int, rank: int, write: Write, constant: Constant) -> ir.Value:
    """The rows, of that rank each, as one: along an axis of theirs."""
    if axis:
        rows = write("Transpose", [rows], {"perm": [*range(1, axis + 1), 0, *range(axis + 1, rank + 1)]})
    sizes = [write("Shape", [rows], {"start": 0, "end": axis})] if axis else []
    sizes.append(constant(np.array([-1], np.int64), "joined"))
    if axis + 1 < rank:
        sizes.append(write("Shape", [rows], {"start": axis + 2, "end": rank + 1}))
    target = write("Concat", sizes, {"axis": 0}) if len(sizes) > 1 else sizes[0]
    return write("Reshape", [rows, target], {"allowzero": 0})
