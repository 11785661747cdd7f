"""A Loop or a Scan that takes a known, small number of turns is that many copies of its body.

    Given    y, s = Loop(2, true, x) <body: (i, c, v) → (c, w = Relu(v), w)>
    Result   w0 = Relu(x);  w1 = Relu(w0);  y = w1;  s = Concat<axis=0>(Unsqueeze(w0, [0]), Unsqueeze(w1, [0]))

A walk that stands at the node comes to the copies next. Bodies may use the same names: NameFixPass, the last of the
stage, tells those apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.errors import BadSource, describe
from passes.fold.body import graph_of, let_go, move_body
from passes.fold.loops.sliding_windows import as_slices, asked_length, moved_by
from passes.graph.builder import FreshNames

MOST_TURNS = 64
MOST_NODES = 20_000

Numbers = Callable[[ir.Value | None], np.ndarray | None]
Shapes = Callable[[ir.Value | None], Sequence[Dim] | None]


class LoopRewrite:
    """One Loop or Scan, and the place behind it where something is written instead.

    Args:
        numbers: the constant contents of a value, or None.
        shape: the inferred shape of a value, or None.
    """

    def __init__(self, node: ir.Node, names: FreshNames, numbers: Numbers, shape: Shapes) -> None:
        self._node = node
        self._graph = graph_of(node)
        self._body = node.attributes["body"].as_graph()
        self._names = names
        self._numbers = numbers
        self._shape = shape
        self._at = node

    def _write(
        self, op_type: str, inputs: Sequence[ir.Value], attributes: Mapping[str, int | list[int]] | None = None
    ) -> ir.Value:
        node = ir.node(op_type, inputs, attributes, name=self._node.name)
        node.metadata_props.update(self._node.metadata_props)
        self._graph.insert_after(self._at, node)
        self._at = node
        return node.outputs[0]

    def _constant(self, array: np.ndarray, label: str) -> ir.Value:
        name = self._names.fresh(f"{self._node.name or self._node.op_type}_{label}")
        value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
        value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
        self._graph.register_initializer(value)
        return value


class Unroller(LoopRewrite):
    """Writes the turns of one node behind it."""

    def unroll(self) -> bool:
        """Put the turns in the place of the node; False where their number is not known, or above MOST_TURNS.

        Raises:
            BadSource: the body has other inputs or outputs than the node.
        """
        if self._node.op_type == "Loop":
            results = self._loop()
        else:
            results = self._scan()
        if results is None:
            return False
        if len(results) != len(self._node.outputs):
            raise BadSource("The body has other outputs than the node.", node=describe(self._node))
        for output, result in zip(self._node.outputs, results, strict=True):
            if output.is_graph_output():
                result = self._write("Identity", [result])
                result.name, output.name = output.name, None
                result.shape, result.type = output.shape, output.type
            output.replace_all_uses_with(result, replace_graph_outputs=True)
        self._graph.remove(self._node, safe=True)
        let_go(self._body)
        return True

    def _loop(self) -> list[ir.Value] | None:
        most, condition, *states = self._node.inputs
        known = self._numbers(most)
        turns = 0 if known is None else int(known.item())
        if not self._are_few(turns) or not goes_on(self._body, condition, self._numbers):
            return None
        if len(self._body.inputs) != len(states) + 2 or any(state is None for state in states):
            raise BadSource("The body has other inputs than the node.", node=describe(self._node))
        held = [state for state in states if state is not None]
        gathered: list[list[ir.Value]] = []
        true = self._constant(np.array(True), "goes_on")
        for turn in range(turns):
            _, *results = self._turn([self._constant(np.array(turn, np.int64), "turn"), true, *held])
            held, rows = results[: len(held)], results[len(held) :]
            gathered.append(rows)
        return [*held, *(self._stacked(rows, 0) for rows in zip(*gathered, strict=True))]

    def _scan(self) -> list[ir.Value] | None:
        attributes = self._node.attributes
        count = attributes["num_scan_inputs"].as_int()
        inputs = [value for value in self._node.inputs if value is not None]
        if not len(self._node.inputs) == len(inputs) == len(self._body.inputs) >= count > 0:
            raise BadSource("The body has other inputs than the node.", node=describe(self._node))
        states, scanned = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
        axes = list(attributes.get_ints("scan_input_axes", ()) or [0] * count)
        backwards = list(attributes.get_ints("scan_input_directions", ()) or [0] * count)
        if (windows := self._windows(states, scanned, axes, backwards)) is not None:
            return windows
        turns = self._length(scanned[0], axes[0])
        if not self._are_few(turns):
            return None
        gathered: list[list[ir.Value]] = []
        for turn in range(turns):
            places = [turns - 1 - turn if back else turn for back in backwards]
            rows = [self._row(*each) for each in zip(scanned, places, axes, strict=True)]
            results = self._turn([*states, *rows])
            states = results[: len(states)]
            gathered.append(results[len(states) :])
        given = len(self._node.outputs) - len(states)
        axes = list(attributes.get_ints("scan_output_axes", ()) or [0] * given)
        backwards = list(attributes.get_ints("scan_output_directions", ()) or [0] * given)
        columns = [list(column) for column in zip(*gathered, strict=True)]
        ordered = [column[::-1] if back else column for column, back in zip(columns, backwards, strict=True)]
        return [*states, *(self._stacked(column, axis) for column, axis in zip(ordered, axes, strict=True))]

    def _windows(
        self, states: Sequence[ir.Value], scanned: Sequence[ir.Value], axes: Sequence[int], backwards: Sequence[int]
    ) -> list[ir.Value] | None:
        """What a Scan that moves a window makes, however often it turns; None where it does something else."""
        out_axes = self._node.attributes.get_ints("scan_output_axes", (0,))
        is_plain = not any(backwards) and not any(self._node.attributes.get_ints("scan_output_directions", ()))
        if len(states) != 1 or len(scanned) != 1 or not is_plain or list(axes) != [1] or list(out_axes) != [1]:
            return None
        hop, first, rows = moved_by(self._body, self._numbers), self._shape(states[0]), self._shape(scanned[0])
        if hop is None or first is None or rows is None or len(first) != 2 or len(rows) != 3 or rows[2] != hop:
            return None
        length, asked = first[1], asked_length(self._node.outputs[1], self._numbers)
        if not isinstance(length, int):
            length = 0 if asked is None else asked - hop
        return as_slices(states[0], scanned[0], length, hop, self._write, self._constant) if length > 0 else None

    def _length(self, value: ir.Value, axis: int) -> int:
        """0 where it is open."""
        shape = self._shape(value)
        size = None if shape is None or not -len(shape) <= axis < len(shape) else shape[axis]
        return size if isinstance(size, int) else 0

    def _are_few(self, turns: int) -> bool:
        return 0 < turns <= MOST_TURNS and turns * len(self._body) <= MOST_NODES

    def _turn(self, given: Sequence[ir.Value]) -> list[ir.Value]:
        """One copy of the body on these inputs, and its results."""
        copy = self._body.clone(allow_outer_scope_values=True)
        inside = dict(zip(copy.inputs, given, strict=True))
        self._at, results = move_body(copy, self._node, self._at, self._names, renamed=True)
        for value, outer in inside.items():
            value.replace_all_uses_with(outer)
        return [inside.get(result, result) for result in results]

    def _row(self, value: ir.Value, place: int, axis: int) -> ir.Value:
        where = self._constant(np.array(place, np.int64), "place")
        return self._write("Gather", [value, where], {"axis": axis})

    def _stacked(self, rows: Sequence[ir.Value], axis: int) -> ir.Value:
        where = self._constant(np.array([axis], np.int64), "axis")
        return self._write("Concat", [self._write("Unsqueeze", [row, where]) for row in rows], {"axis": axis})


def goes_on(body: ir.Graph, condition: ir.Value | None, numbers: Numbers) -> bool:
    """Whether every turn of a Loop is followed by the next one."""
    first = None if condition is None else numbers(condition)
    if condition is not None and (first is None or not first.all()):
        return False
    after = body.outputs[0]
    while (maker := after.producer()) is not None and maker.op_type == "Identity" and maker.inputs[0] is not None:
        after = maker.inputs[0]
    if after is body.inputs[1]:
        return True
    told = maker.attributes.get("value") if maker is not None and maker.op_type == "Constant" else None
    found = numbers(after) if told is None else told.as_tensor().numpy()
    return found is not None and bool(found.all())
