"""Operators that move, join, cut and repeat elements without computing with them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from passes.dims.quotient import NotKnown
from passes.fold.values.registry import Array, integer, is_symbolic, numbers, value_of


def axes_of(node: ir.Node, axes: Array | None) -> tuple[int, ...] | None:
    """The axes of a node, given as an input or as an attribute."""
    if axes is not None:
        return tuple(int(axis) for axis in numbers(axes).reshape(-1))
    attribute = node.attributes.get_ints("axes", None)
    return None if attribute is None else tuple(attribute)


@value_of("Identity")
def _identity(node: ir.Node, x: Array) -> Array:
    return x


@value_of("Dropout")
def _dropout(node: ir.Node, x: Array, ratio: Array | None = None, training: Array | None = None) -> tuple[Array, ...]:
    if training is not None and training.any():
        raise NotKnown
    return (x, np.ones(x.shape, bool))[: len(node.outputs)]


@value_of("Transpose")
def _transpose(node: ir.Node, x: Array) -> Array:
    return x.transpose(node.attributes.get_ints("perm", None))


@value_of("Reshape")
def _reshape(node: ir.Node, x: Array, shape: Array) -> Array:
    target = [int(size) for size in numbers(shape)]
    if not node.attributes.get_int("allowzero", 0):
        target = [x.shape[axis] if size == 0 else size for axis, size in enumerate(target)]
    return x.reshape(target)


@value_of("Flatten")
def _flatten(node: ir.Node, x: Array) -> Array:
    axis = node.attributes.get_int("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))


@value_of("Squeeze")
def _squeeze(node: ir.Node, x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, axes_of(node, axes))


@value_of("Unsqueeze")
def _unsqueeze(node: ir.Node, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, axes_of(node, axes) or ())


@value_of("Concat")
def _concat(node: ir.Node, *parts: Array) -> Array:
    return np.concatenate(parts, axis=node.attributes.get_int("axis", 0))


@value_of("Split")
def _split(node: ir.Node, x: Array, sizes: Array | None = None) -> tuple[Array, ...]:
    axis = node.attributes.get_int("axis", 0)
    count = len(node.outputs)
    if sizes is not None:
        each = [int(size) for size in numbers(sizes)]
    else:
        step = -(-x.shape[axis] // count)
        each = [min(step, x.shape[axis] - step * index) for index in range(count)]
    return tuple(np.split(x, np.cumsum(each)[:-1], axis))


@value_of("Gather")
def _gather(node: ir.Node, x: Array, indices: Array) -> Array:
    return np.take(x, numbers(indices), axis=node.attributes.get_int("axis", 0))


@value_of("GatherND")
def _gather_nd(node: ir.Node, x: Array, indices: Array) -> Array:
    if node.attributes.get_int("batch_dims", 0):
        raise NotKnown
    return np.asarray(x[tuple(np.moveaxis(numbers(indices), -1, 0))])


@value_of("GatherElements")
def _gather_elements(node: ir.Node, x: Array, indices: Array) -> Array:
    """The indices may be shorter than x along the other axes, which numpy's take_along_axis does not allow."""
    axis = node.attributes.get_int("axis", 0)
    where: list[Array] = list(np.indices(indices.shape, sparse=True))
    where[axis] = numbers(indices)
    return np.asarray(x[tuple(where)])


@value_of("OneHot")
def _one_hot(node: ir.Node, indices: Array, depth: Array, values: Array) -> Array:
    count = int(numbers(depth).reshape(-1)[0])
    axis = node.attributes.get_int("axis", -1)
    whole = numbers(indices).astype(np.int64)
    inside = np.expand_dims(np.where(whole < 0, whole + count, whole), -1) == np.arange(count)
    return np.moveaxis(np.where(inside, values[1], values[0]).astype(values.dtype), -1, axis)


@value_of("ScatterND")
def _scatter_nd(node: ir.Node, x: Array, indices: Array, updates: Array) -> Array:
    if node.attributes.get_string("reduction", "none") != "none":
        raise NotKnown
    result = x.astype(object if is_symbolic(x, updates) else x.dtype)
    result[tuple(np.moveaxis(numbers(indices), -1, 0))] = updates
    return result


@value_of("Slice")
def _slice(
    node: ir.Node, x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Array | None = None
) -> Array:
    where = range(len(starts)) if axes is None else [int(axis) for axis in numbers(axes)]
    index: list[slice] = [slice(None)] * x.ndim
    for position, axis in enumerate(where):
        step = 1 if steps is None else integer(steps[position])
        start, end = integer(starts[position]), integer(ends[position])
        size = x.shape[axis]
        if step > 0:
            index[axis] = slice(start, end, step)
            continue
        start = min(start + size if start < 0 else start, size - 1)
        end = end + size if end < 0 else end
        index[axis] = slice(start, None if end < 0 else end, step) if start >= 0 else slice(0, 0)
    return np.asarray(x[tuple(index)])


@value_of("Expand")
def _expand(node: ir.Node, x: Array, shape: Array) -> Array:
    target = tuple(int(size) for size in numbers(shape))
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, target))


@value_of("Tile")
def _tile(node: ir.Node, x: Array, repeats: Array) -> Array:
    return np.tile(x, tuple(int(times) for times in numbers(repeats)))


@value_of("Range")
def _range(node: ir.Node, start: Array, limit: Array, delta: Array) -> Array:
    first, last, step = (numbers(part).item() for part in (start, limit, delta))
    if step == 0:
        raise NotKnown
    count = max(0, int(np.ceil((last - first) / step)))
    steps = np.arange(count, dtype=start.dtype) * np.asarray(step, start.dtype)
    return np.asarray(first + steps, start.dtype)


@value_of("ConstantOfShape")
def _constant_of_shape(node: ir.Node, shape: Array) -> Array:
    fill = node.attributes.get("value")
    value = np.zeros(1, np.float32) if fill is None else fill.as_tensor().numpy()
    filled: Array = np.broadcast_to(np.asarray(value).reshape(()), tuple(int(size) for size in numbers(shape)))
    return filled
