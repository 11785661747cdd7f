"""Operators on single elements: of one tensor, of two that broadcast, and choices."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from tests.wild_graphs.drawing import Drawing, Value

Drawn = list[Value] | None

UNARY = (
    "Abs", "Acosh", "Asinh", "Atan", "Ceil", "Celu", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid",
    "HardSwish", "Identity", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Shrink",
    "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
)  # fmt: skip
WHOLE = ("Abs", "Neg", "Sign", "Identity", "BitwiseNot")
FLOATS, INTEGERS = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mean", "Sum"), ("Add", "Sub", "Mul", "Max", "Min")
BITS = ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
KINDS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}


def unary(d: Drawing, x: Value) -> Drawn:
    if x.dtype == "bool":
        return d.node("Not", [x])
    return d.node(d.pick(UNARY if x.is_float else WHOLE), [x])


def with_attributes(d: Drawing, x: Value) -> Drawn:
    """Activations whose numbers are not the defaults."""
    name = d.pick(("Celu", "Elu", "HardSigmoid", "LeakyRelu", "Selu", "ThresholdedRelu"))
    attributes = {"alpha": d.pick((0.25, 1.5, 2.0))}
    if name == "HardSigmoid":
        attributes["beta"] = 0.25
    if name == "Selu":
        attributes["gamma"] = 0.75
    return d.node(name, [x], **attributes) if x.is_float else None


def clip(d: Drawing, x: Value) -> Drawn:
    if x.dtype == "bool":
        return None
    low, high = (d.constant(np.array(number, x.dtype)) if d.yes() else None for number in (-1, 2))
    return d.node("Clip", [x, low, high])


def cast(d: Drawing, x: Value) -> Drawn:
    return d.node("Cast", [x], to=KINDS[d.pick(sorted(KINDS))])


def partner(d: Drawing, x: Value) -> Value:
    """Another tensor that broadcasts with x, or numbers that do: none of them 0."""
    others = [y for y in d.values if y.dtype == x.dtype and _broadcasts(x, y)]
    if others and d.yes():
        return d.pick(others)
    shape = [x.size(axis) if x.size(axis) and d.yes() else 1 for axis in range(x.rank)]
    data = np.random.default_rng(len(d.initializers)).uniform(0.5, 3.0, shape[d.whole(0, x.rank) :])
    return d.constant((data + (x.dtype != "float32")).astype(x.dtype))


def _broadcasts(x: Value, y: Value) -> bool:
    try:
        shapes = [np.broadcast_shapes(a.shape, b.shape) for a, b in zip(x.arrays, y.arrays, strict=True)]
    except ValueError:
        return False
    return all(np.prod(shape) < 5000 for shape in shapes)


def binary(d: Drawing, x: Value) -> Drawn:
    y = partner(d, x)
    if x.dtype == "bool":
        return d.node(d.pick(("And", "Or", "Xor")), [x, y])
    operators = FLOATS if x.is_float else INTEGERS + BITS
    name = d.pick(operators)
    if name == "Pow":
        positive = d.node("Abs", [x])
        return positive and d.node("Pow", [positive[0], d.constant(np.array(d.pick((0.5, 1.5, 2.0, 3.0)), np.float32))])
    return d.node(name, [x, y] if name == "Div" or d.yes() else [y, x])


def divided(d: Drawing, x: Value) -> Drawn:
    """Quotients and remainders of whole numbers, negative ones among them."""
    if x.dtype == "bool":
        return None
    by = d.constant(np.array(d.pick((2, 3, -3) if not x.is_float else (0.75, 2.0)), x.dtype))
    if d.yes():
        return d.node("Div", [x, by])
    return d.node("Mod", [x, by], fmod=1 if x.is_float else d.whole(0, 1))


def compare(d: Drawing, x: Value) -> Drawn:
    if x.dtype == "bool":
        return d.node("Equal", [x, partner(d, x)])
    return d.node(d.pick(COMPARISONS), [x, partner(d, x)])


def where(d: Drawing, x: Value) -> Drawn:
    conditions = [y for y in d.values if y.dtype == "bool" and _broadcasts(x, y)]
    if not conditions:
        return None
    return d.node("Where", [d.pick(conditions), *([x, partner(d, x)] if d.yes() else [partner(d, x), x])])


def quantised(d: Drawing, x: Value) -> Drawn:
    """To steps of 8 bits and back."""
    if not x.is_float:
        return None
    kind = d.pick(("int8", "uint8"))
    scale, zero = d.constant(np.array(0.05, np.float32)), d.constant(np.array(3, kind))
    steps = d.node("QuantizeLinear", [x, scale, zero])
    return steps and d.node("DequantizeLinear", [steps[0], scale, zero])


def prelu(d: Drawing, x: Value) -> Drawn:
    slope = partner(d, x)
    fits = all(np.broadcast_shapes(a.shape, b.shape) == a.shape for a, b in zip(x.arrays, slope.arrays, strict=True))
    return d.node("PRelu", [x, slope]) if x.is_float and fits else None


DRAWN = (unary, unary, with_attributes, clip, cast, binary, binary, divided, compare, where, quantised, prelu)
