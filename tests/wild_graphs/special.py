"""Operators that few models have: other types, sampling, branches, numbers that depend on numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.wild_graphs.drawing import Drawing, Value

Drawn = list[Value] | None


def halved(d: Drawing, x: Value) -> Drawn:
    """In half precision, and back: one operator in between, whose result is exact."""
    if not x.is_float:
        return None
    half = d.node("Cast", [x], to=TensorProto.FLOAT16)
    made = half and d.node(d.pick(("Relu", "Neg", "Abs", "Sign")), half)
    return made and d.node("Cast", made, to=TensorProto.FLOAT)


def doubled(d: Drawing, x: Value) -> Drawn:
    if not x.is_float:
        return None
    double = d.node("Cast", [x], to=TensorProto.DOUBLE)
    made = double and d.node(d.pick(("Relu", "Neg", "Exp", "Sqrt", "Floor")), double)
    return made and d.node("Cast", made, to=TensorProto.FLOAT)


def of_bytes(d: Drawing, x: Value) -> Drawn:
    """Rounded to bytes, with an operator on them, and back to floats."""
    if not x.is_float:
        return None
    steps = d.node("Clip", [x, d.constant(np.array(0, np.float32)), d.constant(np.array(200, np.float32))])
    made = steps and d.node("Cast", steps, to=TensorProto.UINT8)
    other = made and d.node(d.pick(("Max", "Min", "BitwiseAnd")), [made[0], d.constant(np.array(3, np.uint8))])
    return other and d.node("Cast", other, to=TensorProto.FLOAT)


def sampled(d: Drawing, x: Value) -> Drawn:
    if not x.is_float or x.rank != 4 or x.size(1) is None or (x.size(1) or 0) < 2:
        return None
    two = d.node("Slice", [x, d.constant([0]), d.constant([2]), d.constant([1])])
    bounded = two and d.node("Tanh", two)
    grid = bounded and d.node("Transpose", bounded, perm=[0, 2, 3, 1])
    mode, padding = d.pick(("linear", "nearest", "cubic")), d.pick(("zeros", "border", "reflection"))
    return grid and d.node("GridSample", [x, grid[0]], mode=mode, padding_mode=padding, align_corners=d.whole(0, 1))


def cropped(d: Drawing, x: Value) -> Drawn:
    axes = [axis for axis in x.fixed if axis]
    if not axes:
        return None
    axis = d.pick(axes)
    return d.node("CenterCropPad", [x, d.constant([d.whole(1, 9)])], axes=[axis])


def rms(d: Drawing, x: Value) -> Drawn:
    last = x.size(-1) if x.rank > 1 and x.is_float else None
    return d.node("RMSNormalization", [x, d.weight(last)], axis=-1, epsilon=0.1) if last else None


def centred(d: Drawing, x: Value) -> Drawn:
    return d.node("MeanVarianceNormalization", [x]) if x.is_float and x.rank == 4 else None


def determinant(d: Drawing, x: Value) -> Drawn:
    if not x.is_float or x.rank < 2 or x.size(-1) is None or x.size(-1) != x.size(-2):
        return None
    return d.node("Det", [x])


def branched(d: Drawing, x: Value) -> Drawn:
    """One of two operators, by a number of the tensor."""
    if not x.is_float:
        return None
    total = d.node("ReduceSum", [x], keepdims=0)
    large = total and d.node("Greater", [total[0], d.constant(np.array(0, np.float32))])
    first, second = d.pick(("Relu", "Tanh", "Abs")), d.pick(("Neg", "Sigmoid", "Softsign"))
    branches = {"then_branch": _branch(first, x, "t"), "else_branch": _branch(second, x, "e")}
    return large and d.node("If", large, outer=[x], **branches)


def _branch(op_type: str, x: Value, name: str) -> onnx.GraphProto:
    port = helper.make_tensor_value_info(f"{x.name}_{name}", TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node(op_type, [x.name], [port.name])], name, [], [port])


def several_weights(d: Drawing, x: Value) -> Drawn:
    """A product with integers, as quantisers write it."""
    last = x.size(-1) if x.is_float and x.rank == 2 else None
    if last is None:
        return None
    quantised = d.node("DynamicQuantizeLinear", [x], outputs=3)
    weight = d.constant(np.random.default_rng(2).integers(0, 200, (last, 3)).astype(np.uint8))
    zero = d.constant(np.array(100, np.uint8))
    made = quantised and d.node("MatMulInteger", [quantised[0], weight, quantised[2], zero])
    return made and d.node("Cast", made, to=TensorProto.FLOAT)


def chosen(d: Drawing, x: Value) -> Drawn:
    """Rows of a constant choice."""
    if not x.rank or x.size(0) is None:
        return None
    keep = np.arange(x.size(0) or 1) % 2 == 0
    return d.node("Compress", [x, d.constant(keep)], axis=0)


def powers(d: Drawing, x: Value) -> Drawn:
    """Of whole numbers, and whole powers of floats."""
    if x.dtype == "bool":
        return None
    kind = d.pick((np.int64, np.float32, np.int32))
    return d.node("Pow", [x, d.constant(np.array(d.pick((0, 1, 2, 3)), kind))])


def shifted(d: Drawing, x: Value) -> Drawn:
    """Differences of neighbours, as a slice less another."""
    if not x.rank or x.dtype == "bool" or x.least(x.rank - 1) < 3:
        return None
    axis = d.constant([x.rank - 1])
    ahead = d.node("Slice", [x, d.constant([1]), d.constant([2**40]), axis])
    behind = ahead and d.node("Slice", [x, d.constant([0]), d.constant([-1]), axis])
    return ahead and behind and d.node("Sub", [ahead[0], behind[0]])


def compared_with_its_greatest(d: Drawing, x: Value) -> Drawn:
    if not x.rank or not x.is_float:
        return None
    most = d.node("ReduceMax", [x, d.constant([d.whole(-x.rank, -1)])], keepdims=1)
    return most and d.node(d.pick(("Sub", "Div", "GreaterOrEqual", "Equal")), [x, most[0]])


def scaled_and_shifted(d: Drawing, x: Value) -> Drawn:
    """x · a + b with numbers along one axis."""
    if not x.is_float or not x.rank or not x.fixed:
        return None
    axis = d.pick(x.fixed)
    shape: list[Any] = [x.size(axis) if a == axis else 1 for a in range(x.rank)]
    made = d.node("Mul", [x, d.weight(*shape)])
    return made and d.node("Add", [made[0], d.weight(*shape)])


DRAWN = (
    halved, doubled, of_bytes, sampled, cropped, rms, centred, determinant, branched, several_weights, chosen,
    powers, shifted, compared_with_its_greatest, scaled_and_shifted,
)  # fmt: skip
