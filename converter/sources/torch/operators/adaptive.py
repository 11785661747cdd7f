"""Adaptive pools: each entry i of an output axis of size o looks at x[⌊i n / o⌋ : ⌈(i + 1) n / o⌉] along that axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, length, like, places


def adaptive_average(x: Any, output_size: Sequence[int | None]) -> Any:
    """The mean of each window: a pool where all are alike, else a product with a table for each axis."""
    rank, lengths = len(x.shape), list(x.shape)[-len(output_size) :]
    steps = _even(lengths, output_size)
    if steps is not None:
        return op.Identity(x) if set(steps) == {1} else op.AveragePool(x, kernel_shape=steps, strides=steps)
    axes, tables = "abcdefgh"[:rank], []
    result = axes
    for axis, (n, size) in enumerate(zip(lengths, output_size, strict=True), rank - len(output_size)):
        if isinstance(size, int) and size == 1:
            x = op.ReduceMean(x, ints(axis), keepdims=1)
        elif not isinstance(n, int) or not isinstance(size, int) or size != n:
            tables.append((axes[axis] + axes[axis].upper(), _table(x, axis, n, size)))
            result = result.replace(*tables[-1][0])
    if not tables:
        return x
    terms = ",".join([axes, *(pair for pair, _ in tables)])
    return op.Einsum(x, *(table for _, table in tables), equation=f"{terms}->{result}")


def _table(x: Any, axis: int, n: Any, size: Any) -> Any:
    """[n, size]: by how much each place counts in each mean. Made of whole numbers: it is no weight."""
    windows = _windows(x, axis, n, size)
    counts = op.ReduceSum(op.Cast(windows, to=ir.DataType.INT64), ints(0), keepdims=1)
    return op.Div(op.CastLike(windows, x), op.CastLike(counts, x))


def adaptive_maximum(x: Any, output_size: Sequence[int]) -> tuple[Any, Any]:
    """The greatest of each window, and where it is in its plane, counted row by row."""
    count = len(output_size)
    lengths = list(x.shape)[-count:]
    axes = range(len(x.shape) - count, len(x.shape))
    looked = _windows(x, axes[0], lengths[0], output_size[0])
    for axis, n, size in zip(axes[1:], lengths[1:], output_size[1:], strict=True):
        outer = op.Unsqueeze(looked, ints(1, 3)), op.Unsqueeze(_windows(x, axis, n, size), ints(0, 2))
        looked = op.Reshape(op.And(*outer), op.Concat(op.Mul(length(looked, 0), length(outer[1], 1)), ints(-1), axis=0))
    plane = op.Reshape(x, op.Concat(op.Shape(x, start=0, end=axes[0]), ints(-1, 1), axis=0))
    seen = op.Where(looked, plane, like(float("-inf"), x))
    sizes = op.Concat(op.Shape(x, start=0, end=axes[0]), *map(_count, output_size), axis=0)
    steps = _even(lengths, output_size)
    pooled = (
        op.ReduceMax(seen, ints(-2), keepdims=0) if steps is None else op.MaxPool(x, kernel_shape=steps, strides=steps)
    )
    values = pooled[0] if isinstance(pooled, tuple) else pooled
    return op.Reshape(values, sizes), op.Reshape(op.ArgMax(seen, axis=-2, keepdims=0), sizes)


def _even(lengths: Sequence[Any], sizes: Sequence[Any]) -> list[int] | None:
    """The step of each axis, where all windows are alike and do not overlap."""
    pairs = list(zip(lengths, sizes, strict=True))
    if all(isinstance(n, int) and isinstance(size, int) and n % size == 0 for n, size in pairs):
        return [n // size for n, size in pairs]
    return None


def _windows(x: Any, axis: int, n: Any, size: Any) -> Any:
    """[n, size]: which places are in which window."""
    if not isinstance(n, int) or not isinstance(size, int):
        return _open_windows(length(x, axis), _count(size))
    table = np.zeros((n, size), np.bool)
    for i in range(size):
        table[i * n // size : -(-(i + 1) * n // size), i] = True
    return op.Constant(value=ir.tensor(table))


def _open_windows(n: Any, size: Any) -> Any:
    """The same for sizes that are only known when the model runs.

    Place p is in the window i where ⌊i n / o⌋ ≤ p < ⌈(i + 1) n / o⌉, that is where i n < (p + 1) o and p o < (i + 1) n.
    """
    place, i = op.Unsqueeze(places(n), ints(1)), op.Unsqueeze(places(size), ints(0))
    scaled = op.Mul(place, size)
    begins = op.Less(op.Mul(i, n), op.Add(scaled, size))
    goes_on = op.Less(scaled, op.Mul(op.Add(i, ints(1)), n))
    return op.And(begins, goes_on)


def _count(size: Any) -> Any:
    """[1] int64: a number, or what the graph computes."""
    return ints(size) if isinstance(size, int) else op.Reshape(size, ints(-1))
