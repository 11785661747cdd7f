"""Operators that draw random numbers, as arithmetic on plain noise that is given.

Given    y = RandomNormal<mean, scale>()    y = RandomUniform<low, high>()    and their Like forms
Result   y = mean + scale · z               y = low + (high - low) · u

Given    y = Bernoulli(p)    y, m = Dropout(x, r, true)                y = Multinomial<sample_size>(l)    l: [n, c]
Result   y = u < p           m = not u < r;  y = x · m / (1 - r)       y = argmax(l + Gumbel), over c

z is normal, u uniform in [0, 1), of the shape of y, or [n, sample_size, c]; -log(-log(u)) is a Gumbel variable. They
are float32, also where y is shorter: a probability of 0.0001 is no share of the 2048 numbers that float16 has for u.
Bernoulli is as its documentation and PyTorch have it: onnx' body for it (1.23), which onnxruntime runs, has u > p.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, Sizes, first_input, sizes_of

DISTRIBUTIONS = {
    "Bernoulli": "uniform",
    "Dropout": "uniform",
    "Multinomial": "uniform",
    "RandomNormal": "normal",
    "RandomNormalLike": "normal",
    "RandomUniform": "uniform",
    "RandomUniformLike": "uniform",
}
"""By operator, what its noise is."""


def draws(node: ir.Node) -> bool:
    """Whether a node draws random numbers in inference."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in DISTRIBUTIONS:
        return False
    return node.op_type != "Dropout" or _is_training(node)


def noise_for(node: ir.Node) -> tuple[list[Dim | None], ir.DataType] | None:
    """The sizes and the type of the noise of a node whose shapes are known; None where it has none of any type."""
    made, x = node.outputs[0], node.inputs[0] if node.inputs else None
    kind = made.dtype if node.op_type.startswith("Random") else None if x is None else x.dtype
    if kind is None or not kind.is_floating_point():
        return None
    dtype = ir.DataType.DOUBLE if kind == ir.DataType.DOUBLE else ir.DataType.FLOAT
    if node.op_type != "Multinomial":
        return sizes_of(made), dtype
    batch, classes = sizes_of(first_input(node))
    return [batch, node.attributes.get_int("sample_size", 1), classes], dtype


def write_out(node: ir.Node, names: FreshNames, noise: ir.Value, kind: ir.DataType) -> None:
    """Put the arithmetic into the node's place.

    Args:
        noise: what `noise_for` says.
        kind: the element type of the node's first output.
    """
    at, sizes = Builder(node, names), sizes_of(noise)
    if node.op_type.startswith("Random"):
        at.replace(_cast(at, _moved(at, noise, sizes), kind, sizes))
    elif node.op_type == "Bernoulli":
        chance = _cast(at, first_input(node), noise.dtype, sizes)
        at.replace(_cast(at, at.node("Less", [noise, chance], sizes, dtype=ir.DataType.BOOL), kind, sizes))
    elif node.op_type == "Multinomial":
        at.replace(_cast(at, _chosen(at, noise, sizes), kind, sizes[:2]))
    else:
        at.replace(*_dropped(at, noise, kind, sizes))


def _moved(at: Builder, noise: ir.Value, sizes: Sizes) -> ir.Value:
    """start + width · noise, as far as it is not noise as it comes."""
    start_name, width_name = ("mean", "scale") if "Normal" in at.anchor.op_type else ("low", "high")
    start, width = (
        at.anchor.attributes.get_float(name, usual) for name, usual in ((start_name, 0.0), (width_name, 1.0))
    )
    width -= start if width_name == "high" else 0.0
    result = noise
    if width != 1.0:
        result = at.node("Mul", [result, _number(at, width, noise, width_name)], sizes)
    if start != 0.0:
        result = at.node("Add", [result, _number(at, start, noise, start_name)], sizes)
    # The node's output has a name, which an input cannot take.
    return result if result is not noise else at.node("Identity", [noise], sizes)


def _chosen(at: Builder, noise: ir.Value, sizes: Sizes) -> ir.Value:
    """[n, sample_size] int64."""
    batch, _, classes = sizes
    logits = _cast(at, first_input(at.anchor), noise.dtype, [batch, classes])
    wide = at.node("Reshape", [logits, at.constant([0, 1, -1], "wide")], [batch, 1, classes])
    gumbel = noise
    for op_type in ("Log", "Neg", "Log", "Neg"):
        gumbel = at.node(op_type, [gumbel], sizes)
    reached = at.node("Add", [wide, gumbel], sizes)
    attributes = {"axis": 2, "keepdims": 0}
    return at.node("ArgMax", [reached], sizes[:2], attributes, dtype=ir.DataType.INT64)


def _dropped(at: Builder, noise: ir.Value, kind: ir.DataType, sizes: Sizes) -> tuple[ir.Value, ir.Value]:
    """The output and the mask."""
    x, given = first_input(at.anchor), at.anchor.inputs[1]
    rate = _number(at, 0.5, noise, "ratio") if given is None else _cast(at, given, noise.dtype, [])
    mask = at.node("Not", [at.node("Less", [noise, rate], sizes, dtype=ir.DataType.BOOL)], sizes)
    one = _number(at, 1.0, noise, "one")
    scale = _cast(at, at.node("Div", [one, at.node("Sub", [one, rate], [])], []), kind, [])
    kept = at.node("Mul", [x, at.node("Cast", [mask], sizes, {"to": kind.value}, dtype=kind)], sizes)
    return at.node("Mul", [kept, scale], sizes), mask


def _cast(at: Builder, value: ir.Value, kind: ir.DataType | None, sizes: Sizes) -> ir.Value:
    """The value as numbers of this type. A type that the file does not tell may be another."""
    if kind is None or value.dtype == kind:
        return value
    return at.node("Cast", [value], sizes, {"to": kind.value}, dtype=kind)


def _number(at: Builder, number: float, like: ir.Value, label: str) -> ir.Value:
    return at.constant(np.array(number, np.float32 if like.dtype is None else like.dtype.numpy()), label)


def _is_training(node: ir.Node) -> bool:
    """Whether it is known to leave numbers out."""
    given = node.inputs[2] if len(node.inputs) > 2 else None
    known = None if given is None else ir.convenience.get_const_tensor(given)
    return known is not None and bool(known.numpy().any())
