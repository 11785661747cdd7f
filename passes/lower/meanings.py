"""What each private operator means in standard operators. private_operators.py lists them; CONTRIBUTING.md says why."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import Unsupported, describe
from passes.graph.builder import Builder, FreshNames, Sizes, first_input, sizes_of
from passes.opset import OPSET

OF_RESIZE = ("scales", "sizes", "like_axes", "like_factors", "roi")
"""Attributes that are inputs in the standard."""

FLATTENED = "Flattened"
"""Prefix of Softmax and its kin as they were below opset 13: over everything from `axis` on."""


def channels_last(node: ir.Node, names: FreshNames) -> None:
    """nhwc::Op(x, ...) = Transpose<0, 2, ..., 1>(Op(Transpose<0, -1, 1, ...>(x), ...)); weights lie as in ONNX."""
    at = Builder(node, names)
    x = first_input(node)
    rank = len(sizes_of(x))
    first = _transposed(at, x, [0, rank - 1, *range(1, rank - 1)])
    sizes = sizes_of(node.outputs[0])
    inputs = [first, *node.inputs[1:]]
    attributes = dict(node.attributes)
    if node.op_type == "Resize":
        inputs = [first, *_resize_inputs(at, node, rank)]
        attributes = {name: value for name, value in attributes.items() if name not in OF_RESIZE}
        if _is_exact(node):
            attributes["axes"] = ir.AttrInt64s("axes", range(2, rank))
    if any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        raise Unsupported("Only the first output of a channels-last operator has a meaning.", node=describe(node))
    y = at.node(node.op_type, inputs, [sizes[0], sizes[-1], *sizes[1:-1]], attributes, name=node.name)
    at.replace(_transposed(at, y, [0, *range(2, rank), 1]))


def _transposed(at: Builder, x: ir.Value | None, perm: list[int]) -> ir.Value:
    sizes = [] if x is None else sizes_of(x)
    return at.node("Transpose", [x], [sizes[axis] for axis in perm], {"perm": perm})


def _resize_inputs(at: Builder, node: ir.Node, rank: int) -> list[ir.Value | None]:
    """nhwc::Resize has scales or sizes as attributes, of the spatial axes only; -1 is a size of the next input."""
    scales, sizes = node.attributes.get_floats("scales", None), node.attributes.get_ints("sizes", None)
    if scales is not None:
        return [None, at.constant(np.array([1.0, 1.0, *scales], np.float32), "scales")]
    if _is_exact(node):
        part = node.attributes.get_floats("roi", None)
        roi = None if part is None else at.constant(np.array(part, np.float32), "roi")
        return [roi, None, at.constant(list(sizes or ()), "sizes")]
    x = first_input(node)
    kept = [at.size(x, axis) for axis in (0, rank - 1)]
    axes, factors = (node.attributes.get_ints(name, ()) for name in ("like_axes", "like_factors"))
    if list(sizes or ()).count(-1) != len(axes):
        raise Unsupported("A Resize does not say where all of its sizes come from.", node=describe(node))
    live = zip(node.inputs[1:], axes, factors, strict=True)
    spatial = [at.constant([size], "size") if size >= 0 else _times(at, *next(live)) for size in sizes or ()]
    return [None, None, at.node("Concat", [*kept, *spatial], [rank], {"axis": 0}, dtype=ir.DataType.INT64)]


def _is_exact(node: ir.Node) -> bool:
    """Whether sizes are those that were asked for, not those that come out."""
    return "roi" in node.attributes or node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch"


def _times(at: Builder, like: ir.Value | None, axis: int, factor: int) -> ir.Value:
    """The size of an axis, times a factor."""
    return at.node("Mul", [at.size(like, axis), at.constant([factor], "factor")], [1], dtype=ir.DataType.INT64)


def dense(node: ir.Node, names: FreshNames) -> None:
    """x · W + b over the last axis of x, W of shape [K, N]."""
    at = Builder(node, names)
    sizes = sizes_of(node.outputs[0])
    y = at.node("MatMul", node.inputs[:2], sizes, name=node.name)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        y = at.node("Add", [y, node.inputs[2]], sizes)
    at.replace(y)


def einsum_dense(node: ir.Node, names: FreshNames) -> None:
    """The Einsum of x and a weight, and the sum with a bias that broadcasts against it."""
    at = Builder(node, names)
    sizes = sizes_of(node.outputs[0])
    y = at.node("Einsum", node.inputs[:2], sizes, {"equation": node.attributes["equation"].as_string()}, name=node.name)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        y = at.node("Add", [y, node.inputs[2]], sizes)
    at.replace(y)


def embedding(node: ir.Node, names: FreshNames) -> None:
    """Rows of a table [N, K] at indices that are not negative."""
    at = Builder(node, names)
    at.replace(at.node("Gather", node.inputs, sizes_of(node.outputs[0]), {"axis": 0}, name=node.name))


def reversible_embedding(node: ir.Node, names: FreshNames) -> None:
    """Rows of a table [N, K] at indices x; with `reverse` x · tableᵀ over the last axis of x."""
    at = Builder(node, names)
    (x, table), sizes = node.inputs, sizes_of(node.outputs[0])
    if not node.attributes.get_int("reverse", 0):
        at.replace(at.node("Gather", [table, x], sizes, {"axis": 0}, name=node.name))
        return
    at.replace(at.node("MatMul", [x, _transposed(at, table, [1, 0])], sizes, name=node.name))


def regroup(node: ir.Node, names: FreshNames) -> None:
    """A reshape of `count` axes from `axis` on to `sizes`; the others stay."""
    at = Builder(node, names)
    x, rank = first_input(node), len(sizes_of(first_input(node)))
    axis, count = node.attributes["axis"].as_int(), node.attributes["count"].as_int()
    sizes = list(node.attributes.get_ints("sizes", ()))
    parts = [_shape_part(at, x, 0, axis), at.constant(sizes, "sizes"), _shape_part(at, x, axis + count, rank)]
    known = [part for part in parts if part is not None]
    target = at.node("Concat", known, [len(sizes_of(node.outputs[0]))], {"axis": 0}, dtype=ir.DataType.INT64)
    at.replace(at.node("Reshape", [x, target], sizes_of(node.outputs[0]), name=node.name))


def _shape_part(at: Builder, x: ir.Value, start: int, end: int) -> ir.Value | None:
    if start >= end:
        return None
    return at.node("Shape", [x], [end - start], {"start": start, "end": end}, dtype=ir.DataType.INT64)


def sized(node: ir.Node, names: FreshNames) -> None:
    """Reshape or Expand to sizes that are arithmetic on those of the inputs: JSON, as computed_sizes.py writes it."""
    at = Builder(node, names)
    parts = [_arithmetic(at, json.loads(text)) for text in node.attributes["sizes"].as_strings()]
    target = at.node("Concat", parts, [len(parts)], {"axis": 0}, dtype=ir.DataType.INT64)
    op_type = node.op_type.removesuffix("To")
    attributes = {"allowzero": 1} if op_type == "Reshape" else {}
    at.replace(at.node(op_type, [first_input(node), target], sizes_of(node.outputs[0]), attributes, name=node.name))


ARITHMETIC = {"add": "Add", "floor_divide": "Div", "maximum": "Max", "minimum": "Min", "multiply": "Mul"}


def _arithmetic(at: Builder, size: Any) -> ir.Value:
    """One size, [1] int64. What is divided is not negative."""
    if isinstance(size, int):
        return at.constant([size], "size")
    name, a, b = size
    if name == "size":
        return at.size(at.anchor.inputs[a], b)
    operands = [_arithmetic(at, a), _arithmetic(at, b)]
    return at.node(ARITHMETIC[name], operands, [1], dtype=ir.DataType.INT64)


def roll(node: ir.Node, names: FreshNames) -> None:
    """Along each axis what is behind -shift modulo its size, then what is before."""
    at = Builder(node, names)
    x, zero = first_input(node), at.constant([0], "zero")
    sizes = sizes_of(x)
    for axis, shift in zip(node.attributes["axes"].as_ints(), node.attributes["shift"].as_ints(), strict=True):
        length, where = at.size(x, axis), at.constant([axis], "axis")
        place = at.node("Mod", [at.constant([-shift], "shift"), length], [1], {"fmod": 0}, dtype=ir.DataType.INT64)
        open_sizes = [*sizes[:axis], None, *sizes[axis + 1 :]]
        parts = [at.node("Slice", [x, *bounds, where], open_sizes) for bounds in ((place, length), (zero, place))]
        x = at.node("Concat", parts, sizes, {"axis": axis})
    at.replace(x)


def sort(node: ir.Node, names: FreshNames) -> None:
    """TopK of as many as there are."""
    at, x = Builder(node, names), first_input(node)
    count = at.size(x, node.attributes["axis"].as_int())
    outputs = [ir.Value(name=names.fresh(f"{at.stem}_{label}")) for label in ("values", "indices")]
    made = ir.node("TopK", [x, count], dict(node.attributes), outputs=outputs, name=node.name)
    at.graph.insert_before(node, made)
    at.replace(*outputs)


def bit_cast(node: ir.Node, names: FreshNames) -> None:
    """The same bits as numbers of another type: a standard operator, of an opset that changes no other meaning."""
    names.opset_imports[""] = max(names.opset_imports.get("", OPSET), 26)
    node.domain = ""


def running_product(node: ir.Node, names: FreshNames) -> None:
    """The product of what is up to each place; `exclusive` leaves out the place itself, `reverse` begins at the end.

    [..., i, j] → [..., i], of a row for each place, in which what lies behind it is 1.
    """
    at, x = Builder(node, names), first_input(node)
    given = node.inputs[1]
    if given is None or given.const_value is None:
        raise Unsupported("The axis of CumProd is computed.", node=describe(node))
    sizes, axis = sizes_of(x), int(given.const_value.numpy().item())
    axis %= len(sizes)
    exclusive, reverse = (node.attributes.get_int(name, 0) for name in ("exclusive", "reverse"))
    order = [a for a in range(len(sizes)) if a != axis] + [axis]
    moved = at.node("Transpose", [x], [sizes[a] for a in order], {"perm": order})
    place = at.counted(at.size(x, axis), sizes[axis])
    rows, columns = (at.node("Unsqueeze", [place, at.constant([a], "axis")], [1, 1]) for a in (1, 0))
    kind = ("Less" if exclusive else "LessOrEqual") if not reverse else ("Greater" if exclusive else "GreaterOrEqual")
    is_seen = at.node(kind, [columns, rows], [sizes[axis], sizes[axis]], dtype=ir.DataType.BOOL)
    wide = at.node("Unsqueeze", [moved, at.constant([-2], "row")], [*(sizes[a] for a in order[:-1]), 1, sizes[axis]])
    one = at.constant(np.array(1, x.dtype.numpy() if x.dtype is not None else np.float32), "one")
    seen = at.node("Where", [is_seen, wide, one], [*(sizes[a] for a in order), sizes[axis]], dtype=x.dtype)
    product = at.node("ReduceProd", [seen, at.constant([-1], "last")], [sizes[a] for a in order], {"keepdims": 0})
    back = [order.index(a) for a in range(len(order))]
    at.replace(at.node("Transpose", [product], sizes, {"perm": back}))


def dropout(node: ir.Node, names: FreshNames) -> None:
    """x, in inference."""
    at = Builder(node, names)
    x = first_input(node)
    at.replace(at.node("Identity", [x], sizes_of(x), name=node.name))


def silu(node: ir.Node, names: FreshNames) -> None:
    """x · sigmoid(x)."""
    at = Builder(node, names)
    x = first_input(node)
    at.replace(at.node("Mul", [x, at.node("Sigmoid", [x], sizes_of(x))], sizes_of(x), name=node.name))


def ones_like(node: ir.Node, names: FreshNames) -> None:
    """Ones of the shape and type of x."""
    at = Builder(node, names)
    x = first_input(node)
    dtype = node.outputs[0].dtype or x.dtype or ir.DataType.FLOAT
    shape = at.node("Shape", [x], [len(sizes_of(x))], {"start": 0}, dtype=ir.DataType.INT64)
    one = ir.tensor(np.ones(1, dtype.numpy()))
    at.replace(at.node("ConstantOfShape", [shape], sizes_of(node.outputs[0]), {"value": one}, dtype=dtype))


def expand(node: ir.Node, names: FreshNames) -> None:
    """Broadcast x to `shape`, in which 0 is the size that x has and -1 is the size of `like` along `axis`."""
    at = Builder(node, names)
    x = first_input(node)
    shape, axis = node.attributes["shape"].as_ints(), node.attributes.get_int("axis", 0)
    target = at.constant([max(size, 1) for size in shape], "shape")  # Expand keeps an axis that is asked to be 1
    if -1 in shape:
        size = at.size(node.inputs[1], axis)
        where = at.constant(np.array([size == -1 for size in shape]), "where")
        target = at.node("Where", [where, size, target], [len(shape)], dtype=ir.DataType.INT64)
    at.replace(at.node("Expand", [x, target], sizes_of(node.outputs[0]), name=node.name))


def positions(node: ir.Node, names: FreshNames) -> None:
    """0, 1, 2, … as many as `like` has along `axis`."""
    at = Builder(node, names)
    sizes, to = sizes_of(node.outputs[0]), ir.DataType(node.attributes["to"].as_int())
    counted = at.counted(at.size(node.inputs[0], node.attributes["axis"].as_int()), sizes[0])
    at.replace(at.node("Cast", [counted], sizes, {"to": to.value}, dtype=to, name=node.name))


def counted(node: ir.Node, names: FreshNames) -> None:
    """0, 1, 2, … as many as a number says."""
    at = Builder(node, names)
    at.replace(at.counted(first_input(node), sizes_of(node.outputs[0])[0], name=node.name))


def attention(node: ir.Node, names: FreshNames) -> None:
    """softmax(scale · q kᵀ + bias) v on q [B, T, H, D], k, v [B, S, H, D]: Keras's axes, Attention's meaning."""
    at = Builder(node, names)
    q, k, v = (_transposed(at, value, [0, 2, 1, 3]) for value in node.inputs[:3] if value is not None)
    bias = node.inputs[3] if len(node.inputs) > 3 else None
    batch, length, heads, _ = sizes_of(node.outputs[0])
    attributes = {name: node.attributes[name] for name in ("is_causal", "scale") if name in node.attributes}
    sizes: Sizes = [batch, heads, length, sizes_of(v)[3]]
    y = at.node("Attention", [q, k, v, *([bias] if bias is not None else [])], sizes, attributes, name=node.name)
    at.replace(_transposed(at, y, [0, 2, 1, 3]))


def flattened(node: ir.Node, names: FreshNames) -> None:
    """Softmax, LogSoftmax or Hardmax over all axes from `axis` on as one."""
    at = Builder(node, names)
    x = first_input(node)
    flat = at.node("Flatten", [x], [None, None], {"axis": node.attributes.get_int("axis", 1)})
    y = at.node(node.op_type.removeprefix(FLATTENED), [flat], [None, None], {"axis": 1}, name=node.name)
    shape = at.node("Shape", [x], [None if x.shape is None else len(x.shape)], {"start": 0}, dtype=ir.DataType.INT64)
    sizes = [] if node.outputs[0].shape is None else sizes_of(node.outputs[0])
    at.replace(at.node("Reshape", [y, shape], sizes))
