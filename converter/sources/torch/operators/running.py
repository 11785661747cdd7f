"""Products, and what runs along an axis: what is found up to each place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, length, like, places, summable, turned


def prod(x: Any, dtype: int = -1) -> Any:
    return op.ReduceProd(summable(x), keepdims=0)


def prod_along(x: Any, dim: int, keepdim: bool = False, dtype: int = -1) -> Any:
    return op.ReduceProd(summable(x), ints(dim), keepdims=int(keepdim))


def cumprod(x: Any, dim: int, dtype: int = -1) -> Any:
    """y_i = ∏ x_j of all j ≤ i."""
    return _running(x, dim, 1.0, lambda seen: op.ReduceProd(seen, ints(-1), keepdims=0))


def logcumsumexp(x: Any, dim: int) -> Any:
    """y_i = log ∑ exp(x_j) of all j ≤ i."""
    return _running(x, dim, float("-inf"), lambda seen: op.ReduceLogSumExp(seen, ints(-1), keepdims=0))


def cummax(x: Any, dim: int) -> Any:
    """The greatest x_j of all j ≤ i, and the last j at which it is."""
    return _extremes(x, dim, float("-inf"), op.ReduceMax, op.ArgMax)


def cummin(x: Any, dim: int) -> Any:
    """The least x_j of all j ≤ i, and the last j at which it is."""
    return _extremes(x, dim, float("inf"), op.ReduceMin, op.ArgMin)


def _extremes(x: Any, dim: int, beyond: float, reduce: Callable[..., Any], place: Callable[..., Any]) -> Any:
    if x.dtype is not None and not x.dtype.is_floating_point():
        raise NotImplementedError("what is greatest up to each place, of whole numbers")
    values = _running(x, dim, beyond, lambda seen: reduce(seen, ints(-1), keepdims=0))
    places = _running(x, dim, beyond, lambda seen: place(seen, axis=-1, keepdims=0, select_last_index=1))
    return values, places


def _running(x: Any, dim: int, neutral: float, reduce: Callable[[Any], Any]) -> Any:
    """A reduction of [..., i, j] along j, in which j > i is neutral; `dim` is last meanwhile."""
    rank = len(x.shape)
    if not rank:
        return op.Identity(x)
    last_first = turned(rank, dim % rank)
    x = op.Transpose(summable(x), perm=last_first)
    place = places(length(x, rank - 1))
    is_before = op.LessOrEqual(op.Unsqueeze(place, ints(0)), op.Unsqueeze(place, ints(1)))
    seen = op.Where(is_before, op.Unsqueeze(x, ints(-2)), like(neutral, x))
    return op.Transpose(reduce(seen), perm=last_first)
