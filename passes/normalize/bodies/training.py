"""Forms that operators have in training and in generation: running statistics, masks, caches that are written into."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.normalize.bodies.text import has


def batch_norm_in_training(node: ir.Node) -> str | None:
    """By the batch's own mean and variance; the running ones move towards them by 1 - momentum."""
    if not node.attributes.get_int("training_mode", 0):
        return None
    momentum, epsilon = (
        node.attributes.get_float(name, default) for name, default in (("momentum", 0.9), ("epsilon", 1e-5))
    )
    moved = " ".join(
        f"a{i} = Mul(i{i + 2}, momentum) f{i} = Reshape({what}, flat) b{i} = Mul(f{i}, rest) o{i} = Add(a{i}, b{i})"
        for i, what in ((1, "m"), (2, "v"))
        if i < len(node.outputs)
    )
    return f"""shape = Shape(i0) rows = Constant<value_ints: ints = [0, 0, -1]>() x = Reshape(i0, rows)
        axes = Constant<value_ints: ints = [0, 2]>() m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d)
        v = ReduceMean(q, axes) e = {_number(epsilon)} w = Add(v, e) r = Sqrt(w) n = Div(d, r)
        each = Constant<value_ints: ints = [1, -1, 1]>() s = Reshape(i1, each) b = Reshape(i2, each)
        t = Mul(n, s) y = Add(t, b) o0 = Reshape(y, shape) flat = Constant<value_ints: ints = [-1]>()
        momentum = {_number(momentum)} rest = {_number(1 - momentum)} {moved}"""


def _number(value: float) -> str:
    """Without an exponent, which ONNX' parser (1.22) reads as the end of the number."""
    return f"Constant<value: tensor = float {{{np.format_float_positional(np.float32(value))}}}>()"


def dropout_with_mask(node: ir.Node) -> str | None:
    """In inference nothing is left out, and the mask says so."""
    training = node.inputs[2] if has(node, 2) else None
    is_idle = training is None or (training.const_value is not None and not training.const_value.numpy().any())
    if len(node.outputs) < 2 or not node.outputs[1].name or not is_idle:
        return None
    return "o0 = Identity(i0) s = Shape(i0) o1 = ConstantOfShape<value: tensor = bool[1] {1}>(s)"


def tensor_scatter(node: ir.Node) -> str:
    """Each row's update at its own place along the axis: where j - index is within the update, that of the update."""
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise Unsupported("TensorScatter of a tensor of unknown rank is not converted.", node=describe(node))
    rank = len(x.shape)
    axis = node.attributes.get_int("axis", -2) % rank
    others = ", ".join(str(a) for a in range(1, rank) if a != axis)
    index = (
        "w = Cast<to: int = 7>(i2)"
        if has(node, 2)
        else "f = Shape<start: int = 0, end: int = 1>(i0) w = Expand(zero, f)"
    )
    if node.attributes.get_string("mode", "linear") == "circular":
        within = "off = Mod(apart, most)"
    else:
        within = "off = Identity(apart)"
    spread = f"more = Constant<value_ints: ints = [{others}]>()" if others else ""
    wide = "Unsqueeze({0}, more)" if others else "Identity({0})"
    return f"""zero = Constant<value_int: int = 0>() one = Constant<value_int: int = 1>() {index} {spread}
        n = Shape<start: int = {axis}, end: int = {axis + 1}>(i0) most = Squeeze(n)
        u = Shape<start: int = {axis}, end: int = {axis + 1}>(i1) size = Squeeze(u)
        last = Constant<value_ints: ints = [1]>() first = Constant<value_ints: ints = [0]>()
        place = Range(zero, most, one) row = Unsqueeze(place, first) column = Unsqueeze(w, last)
        apart = Sub(row, column) {within} above = GreaterOrEqual(off, zero) below = Less(off, size)
        inside = And(above, below) top = Sub(size, one) low = Max(off, zero) held = Min(low, top)
        at = {wide.format("held")} there = {wide.format("inside")} shape = Shape(i0) whole = Expand(at, shape)
        found = GatherElements<axis: int = {axis}>(i1, whole) o0 = Where(there, found, i0)"""
