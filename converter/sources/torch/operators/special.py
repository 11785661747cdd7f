"""Functions of numbers and of pairs of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from onnxscript import opset18 as op

from converter.sources.torch.operators.written import ints, is_whole, like

_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
           -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
         0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def erfinv(x: Any) -> Any:
    """M. Giles, Approximating the erfinv function (2010): single precision, then one step of Newton's method."""
    one = like(1.0, x)
    w = op.Neg(op.Log(op.Mul(op.Sub(one, x), op.Add(one, x))))
    centre = _polynomial(op.Sub(w, like(2.5, x)), _CENTRE, x)
    tail = _polynomial(op.Sub(op.Sqrt(op.Max(w, like(5.0, x))), like(3.0, x)), _TAIL, x)
    y = op.Mul(op.Where(op.Less(w, like(5.0, x)), centre, tail), x)
    slope = op.Mul(like(2 / math.sqrt(math.pi), x), op.Exp(op.Neg(op.Mul(y, y))))
    better = op.Sub(y, op.Div(op.Sub(op.Erf(y), x), op.Max(slope, like(1e-30, x))))
    is_end = op.Equal(op.Abs(x), one)
    return op.Where(is_end, op.Mul(x, like(math.inf, x)), op.Where(op.Less(w, like(5.0, x)), better, y))


def _polynomial(w: Any, factors: Sequence[float], x: Any) -> Any:
    result = like(factors[0], x)
    for factor in factors[1:]:
        result = op.Add(op.Mul(result, w), like(factor, x))
    return result


def hypot(x: Any, y: Any) -> Any:
    """√(x² + y²), scaled by the greater one so that no square is too large."""
    a, b = op.Abs(x), op.Abs(y)
    most, least = op.Max(a, b), op.Min(a, b)
    ratio = op.Div(least, op.Where(op.Equal(most, like(0.0, x)), like(1.0, x), most))
    return op.Mul(most, op.Sqrt(op.Add(like(1.0, x), op.Mul(ratio, ratio))))


def signbit(x: Any) -> Any:
    """Whether x is below 0, or is the zero that is: 1/x tells."""
    zero = like(0.0, x)
    if is_whole(x):
        return op.Less(x, zero)
    return op.Or(op.Less(x, zero), op.And(op.Equal(x, zero), op.Less(op.Reciprocal(x), zero)))


def floor_divide(x: Any, y: Any) -> Any:
    """⌊x / y⌋. Of whole numbers ONNX rounds towards 0."""
    y = op.CastLike(y, x)
    if not is_whole(x):
        return op.Floor(op.Div(x, y))
    return op.Div(op.Sub(x, op.Mod(x, y)), y)


def remainder(x: Any, y: Any) -> Any:
    """x - y · ⌊x / y⌋."""
    y = op.CastLike(y, x)
    return op.Mod(x, y) if is_whole(x) else op.Sub(x, op.Mul(y, op.Floor(op.Div(x, y))))


def cdist(x: Any, y: Any, p: float, compute_mode: int | None = None) -> Any:
    """[..., n, k], [..., m, k] → [..., n, m]: the p-norms of all differences."""
    away = op.Abs(op.Sub(op.Unsqueeze(x, ints(-2)), op.Unsqueeze(y, ints(-3))))
    last = ints(-1)
    if p == 0:
        return op.ReduceSum(op.CastLike(op.Not(op.Equal(away, like(0.0, x))), x), last, keepdims=0)
    if p == 1:
        return op.ReduceSum(away, last, keepdims=0)
    if p == 2:
        return op.ReduceL2(away, last, keepdims=0)
    if math.isinf(p):
        return op.ReduceMax(away, last, keepdims=0)
    return op.Pow(op.ReduceSum(op.Pow(away, like(p, x)), last, keepdims=0), like(1 / p, x))


def rrelu(x: Any, noise: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """In evaluation a LeakyRelu, with the mean of the slopes."""
    return op.LeakyRelu(x, alpha=(lower + upper) / 2), op.Identity(noise)
