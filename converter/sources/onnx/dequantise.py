"""A quantised graph as the float graph that it stands for: `--dequantise`.

    DequantizeLinear(W, s, z) of constants      their numbers, (W - z) · s, as a weight
    DequantizeLinear(QuantizeLinear(x, s, z))   x, or Relu(x) where z is the least number: the step had cut off the rest
    DynamicQuantizeLinear, MatMulInteger        a product of floats
    DynamicQuantizeLSTM                         an LSTM with float weights

What lies between a QuantizeLinear and the DequantizeLinear behind it (a reshape, a pool) is done on the floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.sources.source import Source
from passes.errors import Unsupported, UsageError, describe
from passes.graph.builder import Builder, FreshNames
from passes.normalize.inline_functions import InlineFunctions

FLOAT = ir.TensorType(ir.DataType.FLOAT)

THROUGH = {
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "SpaceToDepth",
    "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
"""What does the same on numbers and on what they stand for."""

INTEGER = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}

NOTE = "The steps of quantisation were taken out: what is verified is the float graph that the file stands for."


def dequantised(source: Source) -> Source:
    """The same source with floats in place of quantised numbers.

    Raises:
        UsageError: nothing in it is quantised.
        Unsupported: quantised numbers are used in a way that has no meaning for floats.
    """
    model = source.model.clone()
    walk = _Floats(model)
    walk.dynamic()
    InlineFunctions()(model)
    walk = _Floats(model, changed=walk.changed)
    walk.static()
    if not walk.changed:
        raise UsageError("Nothing in this source is quantised.", hint="Leave --dequantise out.")
    ir.passes.common.RemoveUnusedNodesPass()(model)
    return replace(source, model=model, path=None, notes=[*source.notes, NOTE])


class _Floats:
    """One walk over a graph; `real` are the values that were quantised and are floats now."""

    def __init__(self, model: ir.Model, *, changed: bool = False) -> None:
        self.graph = model.graph
        self.names = FreshNames(model)
        self.real: set[ir.Value] = set()
        self.changed = changed

    def dynamic(self) -> None:
        """Products of numbers that are quantised as they come."""
        for node in list(self.graph):
            if node.op_type == "DynamicQuantizeLinear":
                self._as_it_comes(node)
            elif node.op_type == "DynamicQuantizeLSTM":
                self._recurrent(node)
            elif node.op_type in INTEGER and node.domain == "" and node.inputs[0] in self.real:
                self._product(node)
            elif node.op_type == "Cast" and node.inputs[0] in self.real:
                self._become(node, "Identity", [node.inputs[0]])

    def static(self) -> None:
        """Steps in front of and behind everything else."""
        for node in list(self.graph):
            if node.op_type == "QuantizeLinear":
                self.real.add(self._become(node, "Relu" if _cuts(node) else "Identity", [node.inputs[0]]))
            elif node.op_type == "DequantizeLinear":
                self._dequantise(node)
            elif any(value in self.real for value in node.inputs):
                self._pass_on(node)
        left = [value.name for value in self.graph.outputs if value in self.real]
        if left:
            raise Unsupported(f"The output {left[0]!r} is a quantised number.", hint="Leave --dequantise out.")

    def _as_it_comes(self, node: ir.Node) -> None:
        """x itself, with the scale 1 and the zero point 0."""
        at = Builder(node, self.names)
        known = at.constant(np.array(1, np.float32), "scale"), at.constant(np.array(0, np.uint8), "zero_point")
        for old, new in zip(node.outputs[1:], known, strict=False):
            old.replace_all_uses_with(new)
        self.real.add(self._become(node, "Identity", [node.inputs[0]]))

    def _product(self, node: ir.Node) -> None:
        weight, zero = _array(node, 1), _array(node, 3)
        if weight is None:
            raise Unsupported("A product of two quantised results has no float form here.", node=describe(node))
        floats = self._weight(node, 1, weight, None, zero)
        attributes = dict(node.attributes) if node.op_type == "ConvInteger" else {}
        self.real.add(self._become(node, INTEGER[node.op_type], [node.inputs[0], floats], attributes))

    def _recurrent(self, node: ir.Node) -> None:
        """An LSTM, whose weights are turned: W [D, 4H, I]. Scales are of a direction, or of each of its columns."""
        for place, scales in ((1, 8), (2, 10)):
            numbers, scale, zero = (_array(node, each) for each in (place, scales, scales + 1))
            if numbers is None or scale is None or zero is None:
                raise Unsupported("Weights that the graph computes have no float form here.", node=describe(node))
            rows = [each.astype(np.float32).reshape(len(numbers), 1, -1) for each in (scale, zero)]
            floats = (numbers.astype(np.float32) - rows[1]) * rows[0]
            node.replace_input_with(place, self._called(node, place, np.ascontiguousarray(floats.transpose(0, 2, 1))))
        node.domain, node.op_type, self.changed = "", "LSTM", True
        node.resize_inputs(8)

    def _dequantise(self, node: ir.Node) -> None:
        numbers, scale = _array(node, 0), _array(node, 1)
        if node.inputs[0] in self.real:
            self._become(node, "Identity", [node.inputs[0]])
        elif numbers is not None and scale is not None:
            weight = self._weight(node, 0, numbers, scale, _array(node, 2))
            self.changed = True
            if node.outputs[0].is_graph_output():
                self._become(node, "Identity", [weight])
                return
            node.outputs[0].replace_all_uses_with(weight)
            self.graph.remove(node, safe=True)

    def _weight(
        self, node: ir.Node, place: int, numbers: np.ndarray, scale: np.ndarray | None, zero: np.ndarray | None
    ) -> ir.Value:
        """(numbers - zero) · scale"""
        shape = [1] * numbers.ndim
        axis = node.attributes.get_int("axis", 1) if place == 0 else numbers.ndim - 1
        if max(array.size for array in (scale, zero, np.zeros(1)) if array is not None) > 1:
            shape[axis] = -1
        floats = numbers.astype(np.float32)
        floats -= 0 if zero is None else zero.astype(np.float32).reshape(shape if zero.size > 1 else ())
        floats *= 1 if scale is None else scale.astype(np.float32).reshape(shape if scale.size > 1 else ())
        return self._called(node, place, floats)

    def _called(self, node: ir.Node, place: int, floats: np.ndarray) -> ir.Value:
        """A weight, called as it was before it was quantised."""
        value = Builder(node, self.names).constant(floats, "weight")
        self.graph.initializers.pop(str(value.name))
        value.name = self.names.fresh(str(node.inputs[place].name).removesuffix("_quantized"))  # type: ignore[union-attr]
        self.graph.register_initializer(value)
        return value

    def _pass_on(self, node: ir.Node) -> None:
        if node.op_type not in THROUGH or node.domain:
            raise Unsupported("Quantised numbers are used as they are, which has no float form.", node=describe(node))
        for value in node.outputs:
            value.type = FLOAT
            self.real.add(value)

    def _become(
        self,
        node: ir.Node,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None,
    ) -> ir.Value:
        """Another operator in the place of a node."""
        self.changed = True
        at, shape = Builder(node, self.names), node.outputs[0].shape
        result = at.node(op_type, inputs, [], attributes, dtype=ir.DataType.FLOAT, name=node.name)
        node.outputs[0].type = FLOAT
        at.replace(result)
        result.shape = shape
        return result


def _cuts(node: ir.Node) -> bool:
    """Whether the least number stands for 0: what was below it was cut off, as a Relu does."""
    zero = _array(node, 2)
    if zero is None:
        return len(node.inputs) < 3 or node.inputs[2] is None
    return zero.dtype.kind in "iu" and bool((zero == np.iinfo(zero.dtype).min).all())


def _array(node: ir.Node, place: int) -> np.ndarray | None:
    """A constant input."""
    value = node.inputs[place] if place < len(node.inputs) else None
    maker = value.producer() if value is not None else None
    if maker is not None and maker.op_type == "Constant" and "value" in maker.attributes:
        return maker.attributes["value"].as_tensor().numpy()
    return None if value is None or value.const_value is None else value.const_value.numpy()
