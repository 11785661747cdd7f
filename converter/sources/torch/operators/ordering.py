"""Operators that put numbers in order."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, length


def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th least number along an axis, and where it is."""
    return _from_sorted(x, ints(k - 1), ints(k), dim, keepdim)


def median(x: Any, dim: int, keepdim: bool = False) -> Any:
    """The middle number along an axis, of an even count the lower one, and where it is."""
    count = length(x, dim % len(x.shape))
    return _from_sorted(x, op.Div(op.Sub(count, ints(1)), ints(2)), count, dim, keepdim)


def median_of_all(x: Any) -> Any:
    """The middle one of all numbers."""
    flat = op.Reshape(x, ints(-1))
    count = op.Shape(flat)
    values, _ = op.TopK(flat, count, axis=0, largest=0)
    return op.Squeeze(op.Gather(values, op.Div(op.Sub(count, ints(1)), ints(2))), ints(0))


def _from_sorted(x: Any, place: Any, count: Any, dim: int, keepdim: bool) -> Any:
    """What is at a place when the `count` least are in order, and where it was."""
    axis = dim % max(len(x.shape), 1)
    found = [op.Gather(each, place, axis=axis) for each in op.TopK(x, count, axis=axis, largest=0)]
    return tuple(found if keepdim else [op.Squeeze(each, ints(axis)) for each in found])


def searchsorted(
    boundaries: Any, x: Any, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Any = None
) -> Any:
    """How many of the boundaries, which are in order along the last axis, are below each number, or not above it."""
    if sorter is not None:
        raise NotImplementedError("searchsorted with a sorter")
    compare = op.LessOrEqual if right or side == "right" else op.Less
    is_before = compare(op.Unsqueeze(boundaries, ints(-2)), op.CastLike(op.Unsqueeze(x, ints(-1)), boundaries))
    to = ir.DataType.INT32 if out_int32 else ir.DataType.INT64
    return op.ReduceSum(op.Cast(is_before, to=to), ints(-1), keepdims=0)
