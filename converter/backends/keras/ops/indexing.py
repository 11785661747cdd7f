"""Slices, gathers and other index operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import KerasTensor, layers, ops

from converter.backends.keras.build.live_sizes import positions_on, size_of
from converter.backends.keras.build.operands import embed, index_operand, operand, operands
from converter.backends.keras.build.registry import op
from converter.backends.keras.build.weights import ConstantInput, with_weights
from converter.backends.keras.ops.arithmetic import onnx_dtype
from converter.backends.keras.ops.axes import constant_ints, known_product, known_size, one_open
from passes.errors import Unsupported
from passes.facts.keras import MOST_SLICED_AXES


@op("Slice")
def slice_(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None, *, name: str) -> Any:
    """Python's own slices; ends beyond the axis are clamped by both. A negative step past the start is `None` there."""
    first, last = constant_ints(starts), constant_ints(ends)
    which = list(range(len(first))) if axes is None else constant_ints(axes)
    strides = [1] * len(first) if steps is None else constant_ints(steps)
    index: list[Any] = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(which, first, last, strides, strict=True):
        if x.shape[axis] is None and step < 0 and start < -1:
            x, start, end = _without_last(x, axis, -1 - start), -1, end - start - 1 if end < 0 else end
        index[axis] = _slice(start, end, step, x.shape[axis])
    return _at(x, index)


def _without_last(x: Any, axis: int, count: int) -> Any:
    """Without so many elements from the end, but never without the first: a slice that goes back from before it, starts
    there. Python's own would be empty."""
    before: list[Any] = [slice(None)] * axis
    return ops.concatenate([x[(*before, slice(None, 1))], x[(*before, slice(1, -count))]], axis)


def _at(x: Any, index: list[Any]) -> Any:
    """x[index]; of more axes, one after the other on [before, axis, after]."""
    if len(x.shape) <= MOST_SLICED_AXES:
        return x[tuple(index)]
    for axis in reversed(range(len(index))):
        if index[axis] != slice(None):
            before, after = list(x.shape[:axis]), list(x.shape[axis + 1 :])
            flat = ops.reshape(x, one_open([known_product(before), known_size(x, axis), known_product(after)]))
            taken = flat[:, index[axis]]
            x = ops.reshape(taken, one_open([*before, *taken.shape[1:-1], *after]))
    return x


def _slice(start: int, end: int, step: int, size: int | None) -> slice:
    if size is not None:
        indices = range(size)[slice(start, None if step < 0 and end < -size else end, step)]
        if step > 0:
            return slice(
                indices.start or None, indices.stop if indices.stop < size else None, None if step == 1 else step
            )
        return slice(indices.start, indices.stop if indices.stop >= 0 else None, step)
    huge = 2**31 - 1
    start_at = None if (step > 0 and start == 0) or (step < 0 and start >= huge) else start
    end_at = None if (step > 0 and end >= huge) or (step < 0 and end <= -huge) else end
    return slice(start_at, end_at, None if step == 1 else step)


@op("Gather")
def gather(data: Any, indices: Any, *, axis: int = 0, name: str) -> Any:
    """On a constant table of two axes, an Embedding; else `take`, which counts negative indices from the end."""
    if isinstance(data, ConstantInput):
        if len(data.shape) == 2 and axis == 0 and "float" in data.dtype:
            return embedding(data, _counted_from_front(indices, data.shape[0]), name=name)
        return ops.take(operand(data, indices, name=name), indices, axis=axis)
    if not isinstance(indices, ConstantInput):
        return ops.take(data, indices, axis=axis)
    numbers = indices.numpy()
    if numbers.ndim == 0:
        index: list[Any] = [slice(None)] * len(data.shape)
        index[axis] = int(numbers)
        return _at(data, index)
    run = _as_slice(numbers, data.shape[axis])
    if run is not None:
        index = [slice(None)] * len(data.shape)
        index[axis] = run
        return _at(data, index)
    where = index_operand(indices, data, name=name)
    return ops.take(data, where.astype("int32") if isinstance(where, np.ndarray) else where, axis=axis)


def _as_slice(indices: np.ndarray, size: int | None) -> slice | None:
    """Evenly rising indices are a strided slice."""
    if indices.ndim != 1 or len(indices) < 2 or size is None or (indices < 0).any():
        return None
    steps = set(np.diff(indices).tolist())
    if len(steps) != 1 or (step := steps.pop()) < 1:
        return None
    return slice(int(indices[0]), min(int(indices[-1]) + step, size), step)


@op("keraport::Embedding")
def embedding(table: ConstantInput, indices: Any, *, name: str) -> Any:
    rows, columns = table.shape
    return embed(table, indices, (rows, columns), name=name)


def _counted_from_front(indices: Any, rows: int) -> Any:
    return ops.where(ops.less(indices, 0), ops.add(indices, rows), indices)


@op("keraport::ReversibleEmbedding")
def reversible_embedding(x: Any, table: ConstantInput, *, reverse: int = 0, counted: int = 0, name: str) -> Any:
    """table[x], or with `reverse` x · tableᵀ: the tied ends of a language model."""
    rows, columns = table.shape
    layer = layers.ReversibleEmbedding(rows, columns, embeddings_initializer="zeros", name=name, dtype=table.dtype)
    if reverse:
        return with_weights(layer, x, embeddings=table, call={"reverse": True})
    return with_weights(layer, x if counted else _counted_from_front(x, rows), embeddings=table)


@op("GatherElements")
def gather_elements(data: Any, indices: Any, *, axis: int = 0, name: str) -> Any:
    """data[…, indices[…, i, …], …]; negative indices count from the end. Other axes may be shorter in the indices."""
    live = indices if isinstance(data, ConstantInput) else data
    data = operand(data, live, name=name)
    where = from_front(index_operand(indices, live, name=name), data, axis)
    shorter = [a != axis and where.shape[a] not in (None, data.shape[a]) for a in range(len(data.shape))]
    if any(shorter):
        data = data[tuple(slice(where.shape[a] if cut else None) for a, cut in enumerate(shorter))]
    return ops.take_along_axis(data, where, axis=axis)


def from_front(indices: Any, data: Any, axis: int) -> Any:
    """Indices into an axis of the data, counted from the front, where negative ones count from the end."""
    if isinstance(indices, np.ndarray) and (indices >= 0).all():
        return indices
    size = size_of(data, axis)
    if isinstance(indices, np.ndarray) and isinstance(size, int):
        return np.where(indices < 0, indices + size, indices)
    return ops.where(ops.less(indices, 0), ops.add(indices, size), indices)


@op("GatherND")
def gather_nd(data: Any, indices: Any, *, batch_dims: int = 0, name: str) -> Any:
    """data[b…, i₀, i₁, …] for each of the last axis of the indices, as one index into the axes it names, made one."""
    live = indices if isinstance(data, ConstantInput) else data
    data = operand(data, live, name=name)
    where = index_operand(indices, live, name=name)
    depth = where.shape[-1]
    named = range(batch_dims, batch_dims + depth)
    rest = data.shape[batch_dims + depth :]
    if isinstance(where, np.ndarray) and not batch_dims and None in (*data.shape[:depth], *rest):
        return _each_by_itself(data, where)
    flat: Any = 0
    for position, axis in enumerate(named):
        index = from_front(where[..., position], data, axis)
        for size in (size_of(data, a) for a in named if a > axis):
            index = ops.multiply(index, size) if isinstance(size, KerasTensor) else index * size
        flat = index if position == 0 else ops.add(flat, index) if isinstance(index, KerasTensor) else flat + index
    if batch_dims:
        return _gather_in_batches(data, where, flat, batch_dims)
    merged = (
        data if depth == 1 else ops.reshape(data, one_open([known_product(data.shape[:depth]), *data.shape[depth:]]))
    )
    return ops.take(merged, flat, axis=0)


def _each_by_itself(data: Any, where: np.ndarray) -> Any:
    """At constant places, of open sizes: what is at each of them, side by side."""
    places = where.reshape(-1, where.shape[-1])
    found = ops.stack(
        [_at(data, [*map(int, place), *[slice(None)] * (len(data.shape) - len(place))]) for place in places]
    )
    rest = found.shape[1:]
    if len(where.shape) == 2:
        return found
    if list(rest).count(None) > 1:
        raise Unsupported("GatherND at a table of places, with more than one open size behind them, is not converted.")
    return ops.reshape(found, one_open([*where.shape[:-1], *rest]))


def _gather_in_batches(data: Any, where: Any, flat: Any, batch_dims: int) -> Any:
    """One gather per example: only the first axis may have an open size."""
    batch = tuple(known_size(data, a) for a in range(1, batch_dims))
    depth = where.shape[-1]
    size = math.prod(known_size(data, a) for a in range(batch_dims, batch_dims + depth))
    rest = tuple(known_size(data, a) for a in range(batch_dims + depth, len(data.shape)))
    rows = ops.reshape(data, (-1, size, math.prod(rest)))
    middle = tuple(known_size(where, a) for a in range(batch_dims, len(where.shape) - 1))
    picked = ops.reshape(flat, (-1, math.prod(middle), 1))
    return ops.reshape(ops.take_along_axis(rows, picked, axis=1), (-1, *batch, *middle, *rest))


@op("keraport::Roll")
def roll(x: Any, *, axes: tuple[int, ...], shift: tuple[int, ...], name: str) -> Any:
    """Along axes of known size two slices: LiteRT has no roll."""
    shifts = dict(zip(axes, shift, strict=True))
    unknown = [axis for axis in axes if x.shape[axis] is None]
    for axis in sorted(shifts.keys() - set(unknown)):
        place = -shifts[axis] % x.shape[axis]
        before: list[Any] = [slice(None)] * axis
        if place:
            parts = [x[(*before, slice(place, None))], x[(*before, slice(None, place))]]
            x = ops.concatenate(parts, axis)
    return ops.roll(x, tuple(shifts[axis] for axis in unknown), tuple(unknown)) if unknown else x


@op("ReverseSequence")
def reverse_sequence(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0, name: str) -> Any:
    """The first `lengths[b]` elements of each sequence b in reverse, those behind them where they were."""
    x, lengths = operands(x, lengths, name=name)
    x = ops.moveaxis(x, (batch_axis, time_axis), (0, 1))
    ones = ops.ones_like(x, dtype="int32")
    place = ops.cumsum(ones, axis=1) - 1
    length = ops.reshape(ops.cast(lengths, "int32"), (-1, *(1,) * (len(x.shape) - 1)))
    source = ops.where(ops.less(place, length), ops.subtract(length - 1, place), place)
    return ops.moveaxis(ops.take_along_axis(x, source, axis=1), (0, 1), (batch_axis, time_axis))


@op("TopK")
def top_k(x: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1, name: str) -> Any:
    """Of equal values the lower index comes first, in ONNX and in TensorFlow."""
    count = constant_ints(k)[0]
    last = axis in (-1, len(x.shape) - 1)
    values, indices = ops.top_k(_mirrored(x if last else ops.moveaxis(x, axis, -1), not largest), count)
    results = _mirrored(values, not largest), ops.cast(indices, "int64")
    return results if last else tuple(ops.moveaxis(y, -1, axis) for y in results)


@op("keraport::Sort")
def sort(x: Any, *, axis: int, largest: int, name: str) -> Any:
    """All numbers in order, and where they were. Of equal ones the lower index comes first on every backend."""
    order = ops.argsort(_mirrored(x, bool(largest)), axis=axis)
    return ops.take_along_axis(x, order, axis=axis), ops.cast(order, "int64")


def _mirrored(x: Any, needed: bool) -> Any:
    """The greatest becomes the least; -x - 1 of integers, which does not overflow."""
    if not needed:
        return x
    return ops.negative(x) if "float" in x.dtype else ops.bitwise_not(x)


@op("OneHot")
def one_hot(indices: Any, depth: Any, values: Any, *, axis: int = -1, name: str) -> Any:
    """values[1] at the index, values[0] elsewhere; an index outside of [-depth, depth) is nowhere."""
    size = constant_ints(depth)[0]
    rank = len(indices.shape) + 1
    place = np.arange(size, dtype="int32").reshape([-1 if a == axis % rank else 1 for a in range(rank)])
    where = ops.cast(indices, "int32")
    where = ops.where(ops.less(where, 0), ops.add(where, size), where)
    found = ops.equal(ops.expand_dims(where, axis), place)
    if isinstance(values, ConstantInput):
        off, on = values.numpy().reshape(2, 1)
        return ops.where(found, on, off)
    return ops.where(found, values[1], values[0])


@op("EyeLike")
def eye_like(x: Any, *, k: int = 0, dtype: int | None = None, name: str) -> Any:
    """[m, n] with ones on the k-th diagonal."""
    ones = ops.ones_like(x, dtype=x.dtype if dtype is None else onnx_dtype(dtype))
    return ops.subtract(ops.tril(ones, k), ops.tril(ones, k - 1))


@op("Trilu")
def trilu(x: Any, k: Any = None, *, upper: int = 1, name: str) -> Any:
    """The upper or lower triangle of the last two axes, from the k-th diagonal on; zeros elsewhere."""
    offset = constant_ints(k)[0] if k is not None else 0
    rank = len(x.shape)
    if None not in x.shape[-2:]:
        offset = min(max(offset, -x.shape[-2]), x.shape[-1])  # TensorFlow refuses more
        return ops.triu(x, offset) if upper else ops.tril(x, offset)
    row, column = positions_on(x, rank - 2, rank), positions_on(x, rank - 1, rank)
    diagonal = row + offset
    kept = ops.greater_equal(column, diagonal) if upper else ops.less_equal(column, diagonal)
    return ops.where(kept, x, ops.zeros_like(x))
