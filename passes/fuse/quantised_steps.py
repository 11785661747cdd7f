"""One direction of onnxruntime's DynamicQuantizeLSTM: products of bytes, the left one quantised as it comes.

    X·W    X [T, B, I] as one matrix, once
    h·R    h [B, H] as one matrix, at every step

Each with the scale and the zero point of DynamicQuantizeLinear, but for a matrix of zeros, whose scale is 1. Several
threads divide the rows of h among them and quantise each part by itself: meant is what one thread computes.
Source: onnxruntime's uni_directional_lstm.cc, rnn_helpers.cc and dynamic_quantize_lstm.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.fuse.recurrent_steps import Direction
from passes.graph.builder import sizes_of

KERNEL, RECURRENT, BIAS, LENGTHS = 1, 2, 3, 4
SCALES = {KERNEL: 8, RECURRENT: 10}
"""Of each weight the input that has its scales; its zero points are the next."""


@dataclass
class QuantisedDirection(Direction):
    """Products of integers in float32, where sums below 2²⁴ are exact.

    Raises:
        Unsupported: weights that the graph computes, or lengths of rows: onnxruntime then quantises what lies behind
            their ends as well, or does not, by which outputs are read.
    """

    _held: dict[tuple[ir.Graph, int], ir.Value] = field(default_factory=dict)

    def weigh(self) -> None:
        """The integers less their zero points are held, and their scales."""
        if len(self.node.inputs) > LENGTHS and self.node.inputs[LENGTHS] is not None:
            raise Unsupported("DynamicQuantizeLSTM with lengths of rows is not converted.", node=describe(self.node))
        self.hidden, gates = self._numbers_of(RECURRENT).shape
        self.gates = gates // self.hidden

    def of_inputs(self, x: ir.Value) -> ir.Value:
        return self._product(x, KERNEL, [*sizes_of(x)[:2], self.gates * self.hidden])

    def of_state(self, state: ir.Value) -> ir.Value:
        return self._product(state, RECURRENT, [self.batch, self.gates * self.hidden])

    def _biases(self, gates: int) -> tuple[ir.Value, ...] | None:
        """Their sum: that is what is added."""
        if len(self.node.inputs) <= BIAS or self.node.inputs[BIAS] is None:
            return None
        return (self.at.constant(self._numbers_of(BIAS).reshape(2, gates).sum(0), "bias"),)

    def _product(self, x: ir.Value, place: int, sizes: Sequence[Any]) -> ir.Value:
        """(q - z)·(W - w) · (scale · scale of W), where q, scale and z are x quantised as it comes."""
        at, axes = self.at, self.at.constant(list(range(len(sizes))), "axes")

        def one(op_type: str, *inputs: ir.Value, dtype: ir.DataType | None = None, **attributes: Any) -> ir.Value:
            return at.node(op_type, inputs, [], attributes, dtype=dtype)

        zero, most = self._number(0.0), self._number(255.0)
        highest = one("Max", one("ReduceMax", x, axes, keepdims=0), zero)
        lowest = one("Min", one("ReduceMin", x, axes, keepdims=0), zero)
        extent = one("Sub", highest, lowest)
        is_nothing = one("Equal", extent, zero, dtype=ir.DataType.BOOL)
        scale = one("Where", is_nothing, self._number(1.0), one("Div", extent, most), dtype=x.dtype)
        shift = one("Clip", one("Round", one("Neg", one("Div", lowest, scale))), zero, most)
        byte = one("Cast", shift, dtype=ir.DataType.UINT8, to=int(ir.DataType.UINT8))
        own = sizes_of(x)
        steps = at.node("QuantizeLinear", [x, scale, byte], own, dtype=ir.DataType.UINT8)
        numbers = at.node("Cast", [steps], own, {"to": int(ir.DataType.FLOAT)}, dtype=ir.DataType.FLOAT)
        product = at.node("MatMul", [at.node("Sub", [numbers, shift], own), self._weight(place)], sizes)
        scales = np.asarray(self._array(SCALES[place])[self.place])
        factor = at.node("Mul", [scale, at.constant(scales, "scale")], list(scales.shape))
        return at.node("Mul", [product, factor], sizes)

    def _weight(self, place: int) -> ir.Value:
        """As a constant of the graph that is written, once."""
        key = self.at.graph, place
        if key not in self._held:
            self._held[key] = self.at.constant(self._numbers_of(place), "weight")
        return self._held[key]

    def _numbers_of(self, place: int) -> np.ndarray:
        """This direction's part of a constant; of integers what they are less their zero point."""
        array: np.ndarray = self._array(place)[self.place].astype(np.float32)
        if place in SCALES:
            array -= self._array(SCALES[place] + 1)[self.place].astype(np.float32)
        return array

    def _array(self, place: int) -> np.ndarray:
        value = self.node.inputs[place]
        if value is None or value.const_value is None:
            raise Unsupported(
                "DynamicQuantizeLSTM with weights that the graph computes is not converted.", node=describe(self.node)
            )
        array: np.ndarray = value.const_value.numpy()
        return array
