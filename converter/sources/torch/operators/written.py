"""What translations are written with: constants, and the axes of a tensor.

A translation is a function of the values that an operator takes; what is not a tensor is a plain number or a list. It
is called while torch's exporter translates, and `op` writes into its graph.
"""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript import opset18 as op


def ints(*values: int) -> Any:
    """A constant [n] of int64."""
    return op.Constant(value_ints=list(values))


def like(number: float, x: Any) -> Any:
    """A number, of the type of x."""
    return op.CastLike(op.Constant(value_float=number), x)


def summable(x: Any) -> Any:
    """Whole numbers are added and multiplied as int64."""
    return op.Cast(x, to=ir.DataType.INT64) if is_whole(x) else x


def is_whole(x: Any) -> bool:
    """Whether x holds whole numbers, or truth values."""
    return x.dtype is not None and not x.dtype.is_floating_point()


def turned(rank: int, axis: int) -> list[int]:
    """The axes with this one and the last in each other's place."""
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return perm


def length(x: Any, axis: int) -> Any:
    """[1] int64: the size of an axis."""
    return op.Shape(x, start=axis, end=axis + 1)


def places(count: Any) -> Any:
    """0, 1, 2, …, as many as `count` [1] says."""
    return op.Range(op.Constant(value_int=0), op.Squeeze(count), op.Constant(value_int=1))
