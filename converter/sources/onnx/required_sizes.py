"""Sizes of inputs that a file leaves open, and that its weights demand: channels, and features of a row.

    x: [n, c, h, w] → Conv(x, W), W: [64, 3, 7, 7]             c is 3
    x: [n, t, f] → MatMul(Cast(x), W), W: [512, 64]            f is 512
    x: [n, c, h, w] → Sub(x, mean), mean: [1, 3, 1, 1]         c is 3: with 1 the rest would not be what it was made for

Only where nothing but the axes' order changes between the input and the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx_ir as ir

_UNCHANGED = (
    "Abs Add Cast CastLike Clip DequantizeLinear Div Dropout Exp Identity LeakyRelu Log Mul Neg Pow QuantizeLinear "
    "Relu Sigmoid Sqrt Sub Tanh"
)
UNCHANGED = frozenset(_UNCHANGED.split())
"""Operators whose first result has the axes of what they are given, and of what broadcasts to it."""

Axes = Sequence[int | None]
"""For each axis of a value, the axis of the input that it is."""


def required_sizes(graph: ir.Graph) -> dict[tuple[str, int], int]:
    """By input and axis, the number that it has to be; an axis of which two numbers are asked is left out."""
    found: dict[tuple[str, int], set[int]] = {}
    for value in graph.inputs:
        if value.is_initializer() or value.shape is None or all(isinstance(dim, int) for dim in value.shape):
            continue
        for axis, size in _demands(value):
            if not isinstance(value.shape[axis], int):
                found.setdefault((value.name or "", axis), set()).add(size)
    return {place: sizes.pop() for place, sizes in found.items() if len(sizes) == 1}


def settle(graph: ir.Graph, sizes: dict[tuple[str, int], int]) -> list[str]:
    """Write the numbers into the inputs, wherever their names stand; returns what there is to say about them."""
    by_name = {value.name: value for value in graph.inputs}
    named: dict[str, int] = {}
    notes = []
    for (name, axis), size in sizes.items():
        shape = list(by_name[name].shape or ())
        dim = shape[axis]
        if isinstance(dim, ir.SymbolicDim) and dim.value:
            named[dim.value] = size
        shape[axis] = size
        by_name[name].shape = ir.Shape(shape)
        notes.append(f"Axis {axis} of {name} is open in the file and {size} here: its weights are made for as many.")
    for value in graph.inputs:
        shape = list(value.shape or ())
        if any(isinstance(dim, ir.SymbolicDim) and dim.value in named for dim in shape):
            value.shape = ir.Shape(
                [named.get(dim.value or "", dim) if isinstance(dim, ir.SymbolicDim) else dim for dim in shape]
            )
    return notes


def _demands(value: ir.Value) -> Iterator[tuple[int, int]]:
    waiting: list[tuple[ir.Value, Axes]] = [(value, range(len(value.shape or ())))]
    seen = set()
    while waiting:
        current, axes = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for node, place in current.uses():
            yield from ((axis, size) for axis, size in _asked(node, place, axes) if axis is not None)
            after = _followed(node, place, axes)
            if after is not None:
                waiting.append((node.outputs[0], after))


def _asked(node: ir.Node, place: int, axes: Axes) -> Iterator[tuple[int | None, int]]:
    """What a node demands of the value that it is given at a place."""
    weight = _weight_shape(node, 1)
    if node.domain not in ("", "ai.onnx"):
        return
    if node.op_type in UNCHANGED and len(node.inputs) == 2:
        other = _weight_shape(node, 1 - place)
        sizes = other[-len(axes) :] if other is not None and len(other) <= len(axes) else []
        yield from ((axes[len(axes) - len(sizes) + i], size) for i, size in enumerate(sizes) if size > 1)
    if weight is None or place != 0:
        return
    if node.op_type == "Conv" and len(axes) == len(weight):
        yield axes[1], weight[1] * node.attributes.get_int("group", 1)
    elif node.op_type == "ConvTranspose" and len(axes) == len(weight):
        yield axes[1], weight[0]
    elif node.op_type == "MatMul" and axes:
        yield axes[-1], weight[-2] if len(weight) > 1 else weight[0]
    elif node.op_type == "Gemm" and len(axes) == 2:
        yield axes[0 if node.attributes.get_int("transA", 0) else 1], weight[node.attributes.get_int("transB", 0)]
    elif node.op_type in ("LSTM", "GRU", "RNN") and len(axes) == 3:
        yield axes[2], weight[2]
    elif node.op_type in ("BatchNormalization", "InstanceNormalization") and len(axes) > 1:
        yield axes[1], weight[0]


def _followed(node: ir.Node, place: int, axes: Axes) -> Axes | None:
    """The axes of the node's first result, where it has those of the value."""
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type == "Transpose":
        order = node.attributes.get_ints("perm", None) or range(len(axes) - 1, -1, -1)
        return [axes[a] for a in order] if sorted(order) == list(range(len(axes))) else None
    if node.op_type in ("BatchNormalization", "InstanceNormalization"):
        return axes if place == 0 else None
    if node.op_type not in UNCHANGED:
        return None
    others = [_weight_shape(node, p) for p, other in enumerate(node.inputs) if p != place and other is not None]
    return axes if all(other is not None and len(other) <= len(axes) for other in others) else None


def _weight_shape(node: ir.Node, place: int) -> list[int] | None:
    value = node.inputs[place] if place < len(node.inputs) else None
    if value is None:
        return None
    tensor = value.const_value
    maker = value.producer()
    if tensor is None and maker is not None and maker.op_type == "Constant" and "value" in maker.attributes:
        tensor = maker.attributes["value"].as_tensor()
    if tensor is None and maker is not None and maker.op_type == "DequantizeLinear":
        return _weight_shape(maker, 0)
    return None if tensor is None else [int(size) for size in tensor.shape.numpy()]
