"""One direction of a recurrent net, step by step, or as a loop over the steps. Formulas: ONNX LSTM, GRU and RNN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.fold.loops.unrolled import MOST_TURNS
from passes.fuse.recurrent import STATES, kind_of
from passes.graph.builder import Builder, Sizes, shape_of, sizes_of

Step = Callable[["Direction", ir.Value, list[ir.Value]], list[ir.Value]]


@dataclass
class Direction:
    """One direction of one node: its weights, and what a step does. `scan` is the loop over the steps, if there is."""

    at: Builder
    node: ir.Node
    place: int
    back: bool
    activations: Sequence[tuple[str, dict[str, float]]]
    batch: Any
    x: ir.Value
    hidden: int = 0
    peepholes: list[ir.Value] = field(default_factory=list)
    scan: ir.Node | None = None

    def run(self, x: ir.Value) -> tuple[ir.Value, list[ir.Value]]:
        """Every step's output [T, B, H], and the states [B, H] after the last."""
        node = self.node
        self.weigh()
        lengths = node.inputs[4] if len(node.inputs) > 4 else None
        if self.back and lengths is not None:
            x = self._reversed(x, lengths)
        length, gates = sizes_of(x)[0], self.gates * self.hidden
        inputs = self.of_inputs(x)
        self.biases = self._biases(gates)
        self.peepholes = self._split(self._part(7), 3, 0) if _is_given(node, 7) else []
        states = [self._initial(5 + place) for place in range(STATES[kind_of(node)])]
        if not isinstance(length, int) or length > MOST_TURNS:
            every, states = self._in_turns(inputs, states, lengths)
        else:
            every, states = self._written_out(inputs, states, lengths)
        return (self._reversed(every, lengths) if self.back and lengths is not None else every), states

    def weigh(self) -> None:
        """Read the weights, and from them how large everything is."""
        recurrent, kernel = self._part(2), self._part(1)
        gates, self.hidden = (int(size) for size in sizes_of(recurrent) if isinstance(size, int))
        self.gates = gates // self.hidden
        self.recurrent = self.at.node("Transpose", [recurrent], [self.hidden, gates], {"perm": [1, 0]})
        self.kernel = self.at.node("Transpose", [kernel], [*reversed(sizes_of(kernel))], {"perm": [1, 0]})

    def of_inputs(self, x: ir.Value) -> ir.Value:
        """x·Wᵀ of every step."""
        length, batch, _ = sizes_of(x)
        return self.at.node("MatMul", [x, self.kernel], [length, batch, self.gates * self.hidden])

    def of_state(self, state: ir.Value) -> ir.Value:
        """h·Rᵀ"""
        return self.at.node("MatMul", [state, self.recurrent], [self.batch, self.gates * self.hidden])

    def _written_out(
        self, inputs: ir.Value, states: list[ir.Value], lengths: ir.Value | None
    ) -> tuple[ir.Value, list[ir.Value]]:
        """As many copies of the step as there are steps."""
        at, (length, batch, gates) = self.at, sizes_of(inputs)
        assert isinstance(length, int)
        order = range(length - 1, -1, -1) if self.back and lengths is None else range(length)
        outputs: dict[int, ir.Value] = {}
        for step in order:
            index = at.constant(np.array(step), "step")
            now = at.node("Gather", [inputs, index], [batch, gates], {"axis": 0})
            after = STEPS[kind_of(self.node)](self, now, states)
            outputs[step] = after[0]
            if lengths is not None:
                outputs[step], after = self._within(self._whole_number(step, lengths), lengths, states, after)
            states = after
        return joined(at, [outputs[step] for step in range(length)], 0, [length, batch, self.hidden]), states

    def _in_turns(
        self, inputs: ir.Value, states: list[ir.Value], lengths: ir.Value | None
    ) -> tuple[ir.Value, list[ir.Value]]:
        """A Scan over the steps, kept as a loop; where rows have lengths, with the place of the step as a state."""
        at, (length, _, gates), count = self.at, sizes_of(inputs), len(states)
        given = states if lengths is None else [*states, self._whole_number(0, lengths)]
        inside = [_named(at, value, sizes_of(value)) for value in given]
        row = _named(at, inputs, [self.batch, gates])
        end = ir.node("Identity", [row], name=at.stem)
        body = ir.Graph([*inside, row], [], nodes=[end], opset_imports=at.names.opset_imports, name="steps")
        turn = copy(self)
        turn.at = Builder(end, at.names)
        after = STEPS[kind_of(self.node)](turn, row, inside[:count])
        output = after[0]
        if lengths is not None:
            output, after = turn._within(inside[-1], lengths, inside[:count], after)
            after.append(turn.at.node("Add", [inside[-1], turn._whole_number(1, lengths)], []))
        body.outputs.extend([*after, turn.at.node("Identity", [output], [self.batch, self.hidden])])
        body.remove(end)
        told: dict[str, Any] = {"num_scan_inputs": 1, "body": body}
        if self.back and lengths is None:
            told |= {"scan_input_directions": [1], "scan_output_directions": [1]}
        outputs = [*(_named(at, value, sizes_of(value)) for value in given)]
        outputs.append(_named(at, inputs, [length, self.batch, self.hidden]))
        self.scan = ir.node("Scan", [*given, inputs], told, outputs=outputs, name=self.node.name)
        self.scan.metadata_props.update(self.node.metadata_props)
        at.graph.insert_before(self.node, self.scan)
        return outputs[-1], outputs[:count]

    def _part(self, place: int) -> ir.Value:
        """This direction's part of a weight [D, …]."""
        value = self.node.inputs[place]
        assert value is not None
        index = self.at.constant(np.array(self.place), "direction")
        return self.at.node("Gather", [value, index], sizes_of(value)[1:], {"axis": 0})

    def _split(self, value: ir.Value, count: int, axis: int) -> list[ir.Value]:
        sizes = list(sizes_of(value))
        found = []
        for part in range(count):
            bounds = ([part * self.hidden], [(part + 1) * self.hidden], [axis])
            inputs = [self.at.constant(each, "part") for each in bounds]
            found.append(self.at.node("Slice", [value, *inputs], [*sizes[:axis], self.hidden, *sizes[axis + 1 :]]))
        return found

    def _biases(self, gates: int) -> tuple[ir.Value, ...] | None:
        """Of the input, and of the state."""
        if not _is_given(self.node, 3):
            return None
        whole, at = self._part(3), self.at
        ends = [at.constant([bound], "bound") for bound in (0, gates, 2 * gates)]
        first = at.node("Slice", [whole, ends[0], ends[1]], [gates])
        return first, at.node("Slice", [whole, ends[1], ends[2]], [gates])

    def _initial(self, place: int) -> ir.Value:
        sizes = [self.batch, self.hidden]
        if not _is_given(self.node, place):
            row = self.at.node(
                "Gather", [self.x, self.at.constant(np.array(0), "first")], [self.batch, None], {"axis": 0}
            )
            one = self.at.node("ReduceSum", [row, self.at.constant([1], "axis")], [self.batch, 1], {"keepdims": 1})
            zero = self.at.node("Mul", [one, self._number(0.0)], [self.batch, 1])
            return self.at.node("Add", [zero, self._numbers(np.zeros((1, self.hidden)))], sizes)
        value = self.node.inputs[place]
        assert value is not None
        axis = 1 if self.node.attributes.get_int("layout", 0) else 0
        return self.at.node("Gather", [value, self.at.constant(np.array(self.place), "d")], sizes, {"axis": axis})

    def _reversed(self, x: ir.Value, lengths: ir.Value) -> ir.Value:
        attributes = {"time_axis": 0, "batch_axis": 1}
        whole = self.at.node("Cast", [lengths], sizes_of(lengths), {"to": 7}, dtype=ir.DataType.INT64)
        return self.at.node("ReverseSequence", [x, whole], sizes_of(x), attributes)

    def _within(
        self, place: ir.Value, lengths: ir.Value, before: Sequence[ir.Value], after: Sequence[ir.Value]
    ) -> tuple[ir.Value, list[ir.Value]]:
        """Beyond the end of a row its output is 0, and its states stay."""
        at, sizes = self.at, [self.batch, self.hidden]
        column = at.node("Unsqueeze", [lengths, at.constant([1], "axis")], [self.batch, 1])
        is_there = at.node("Greater", [column, place], [self.batch, 1], dtype=ir.DataType.BOOL)
        pairs = [(after[0], self._number(0.0)), *zip(after, before, strict=True)]
        output, *kept = (at.node("Where", [is_there, a, b], sizes, dtype=self.x.dtype) for a, b in pairs)
        return output, kept

    def _whole_number(self, number: int, like: ir.Value) -> ir.Value:
        return self.at.constant(np.array(number, np.int32 if like.dtype == ir.DataType.INT32 else np.int64), "place")

    def _numbers(self, array: np.ndarray) -> ir.Value:
        dtype = np.float32 if self.x.dtype is None else self.x.dtype.numpy()
        return self.at.constant(array.astype(dtype), "number")

    def _number(self, number: float) -> ir.Value:
        return self._numbers(np.array(number))

    def op(self, op_type: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        return self.at.node(op_type, inputs, [self.batch, self.hidden], attributes)

    def gate(self, which: int, x: ir.Value, *, clipped: bool = True) -> ir.Value:
        """An activation, of what is cut off beforehand where there is a clip. onnxruntime does not cut off a cell."""
        clip = self.node.attributes.get_float("clip", 0.0)
        if clip and clipped:
            x = self.op("Clip", x, self._number(-clip), self._number(clip))
        name, told = self.activations[which]
        if name == "Affine":
            return self.op("Add", self.op("Mul", x, self._number(told["alpha"])), self._number(told["beta"]))
        if name == "ScaledTanh":
            inner = self.op("Tanh", self.op("Mul", x, self._number(told["beta"])))
            return self.op("Mul", inner, self._number(told["alpha"]))
        return self.op(name, x, **told)

    def sums(self, now: ir.Value, state: ir.Value) -> list[ir.Value]:
        """x·Wᵀ + h·Rᵀ + both biases, by gate."""
        whole = [self.batch, self.gates * self.hidden]
        total = self.at.node("Add", [now, self.of_state(state)], whole)
        for bias in self.biases or ():
            total = self.at.node("Add", [total, bias], whole)
        return self._split(total, self.gates, 1)


def joined(at: Builder, parts: Sequence[ir.Value], axis: int, sizes: Sequence[Any]) -> ir.Value:
    """Side by side along a new axis."""
    one = [1 if a == axis else size for a, size in enumerate(sizes)]
    apart = [at.node("Unsqueeze", [part, at.constant([axis], "axis")], one) for part in parts]
    return apart[0] if len(apart) == 1 else at.node("Concat", apart, sizes, {"axis": axis})


def _lstm(self: Direction, now: ir.Value, states: list[ir.Value]) -> list[ir.Value]:
    h, c = states
    i, o, f, g = self.sums(now, h)
    if self.peepholes:
        i, f = (self.op("Add", x, self.op("Mul", c, p)) for x, p in ((i, self.peepholes[0]), (f, self.peepholes[2])))
    i = self.gate(0, i)
    f = self.op("Sub", self._number(1.0), i) if self.node.attributes.get_int("input_forget", 0) else self.gate(0, f)
    c = self.op("Add", self.op("Mul", f, c), self.op("Mul", i, self.gate(1, g)))
    if self.peepholes:
        o = self.op("Add", o, self.op("Mul", c, self.peepholes[1]))
    return [self.op("Mul", self.gate(0, o), self.gate(2, c, clipped=False)), c]


def _gru(self: Direction, now: ir.Value, states: list[ir.Value]) -> list[ir.Value]:
    (h,) = states
    kernels = self._split(now, 3, 1)
    recurrent = self._split(self.recurrent, 3, 1)
    first, second = ([None] * 3, [None] * 3) if self.biases is None else (self._split(b, 3, 0) for b in self.biases)

    def plus(x: ir.Value, *biases: ir.Value | None) -> ir.Value:
        for bias in biases:
            x = x if bias is None else self.op("Add", x, bias)
        return x

    def of_state(state: ir.Value, part: int) -> ir.Value:
        return self.op("MatMul", state, recurrent[part])

    z, r = (self.gate(0, plus(self.op("Add", kernels[k], of_state(h, k)), first[k], second[k])) for k in (0, 1))
    if self.node.attributes.get_int("linear_before_reset", 0):
        inner = self.op("Mul", r, plus(of_state(h, 2), second[2]))
    else:
        inner = plus(of_state(self.op("Mul", r, h), 2), second[2])
    g = self.gate(1, plus(self.op("Add", kernels[2], inner), first[2]))
    return [self.op("Add", self.op("Mul", self.op("Sub", self._number(1.0), z), g), self.op("Mul", z, h))]


def _rnn(self: Direction, now: ir.Value, states: list[ir.Value]) -> list[ir.Value]:
    return [self.gate(0, self.sums(now, states[0])[0])]


STEPS: Mapping[str, Step] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def _is_given(node: ir.Node, place: int) -> bool:
    return place < len(node.inputs) and node.inputs[place] is not None


def _named(at: Builder, like: ir.Value, sizes: Sizes) -> ir.Value:
    """A value of the same type with a name of its own."""
    return ir.Value(name=at.names.fresh(f"{at.stem}_state"), type=like.type, shape=shape_of(sizes))
