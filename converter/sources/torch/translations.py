"""Operators of torch for which its exporter (2.13) has no ONNX form: theirs, written in standard operators.

Functions of the values that an operator takes; what is not a tensor is a plain number or a list. They are called while
the exporter translates, and `op` writes into its graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from onnxscript import opset18 as op
from onnxscript import opset19

aten = torch.ops.aten


def prod(x: Any, dtype: int = -1) -> Any:
    return op.ReduceProd(_summable(x), keepdims=0)


def prod_along(x: Any, dim: int, keepdim: bool = False, dtype: int = -1) -> Any:
    return op.ReduceProd(_summable(x), _ints(dim), keepdims=int(keepdim))


def cumprod(x: Any, dim: int, dtype: int = -1) -> Any:
    """y_i = ∏ x_j of all j ≤ i: the product along the last axis of [..., i, j], with ones where j > i."""
    x, rank = _summable(x), len(x.shape)
    if not rank:
        return op.Identity(x)
    last_first = _turned(rank, dim % rank)
    x = op.Transpose(x, perm=last_first)
    size = op.Shape(x, start=rank - 1)
    counted = op.Range(op.Constant(value_int=0), op.Squeeze(size), op.Constant(value_int=1))
    is_before = op.LessOrEqual(op.Unsqueeze(counted, _ints(0)), op.Unsqueeze(counted, _ints(1)))
    one = _like(1.0, x)
    y = op.ReduceProd(op.Where(is_before, op.Unsqueeze(x, _ints(-2)), one), _ints(-1), keepdims=0)
    return op.Transpose(y, perm=last_first)


_CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
           -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
         0.00943887047, 1.00167406, 2.83297682)  # fmt: skip


def erfinv(x: Any) -> Any:
    """M. Giles, Approximating the erfinv function (2010): single precision, then one step of Newton's method."""
    one = _like(1.0, x)
    w = op.Neg(op.Log(op.Mul(op.Sub(one, x), op.Add(one, x))))
    centre = _polynomial(op.Sub(w, _like(2.5, x)), _CENTRE, x)
    tail = _polynomial(op.Sub(op.Sqrt(op.Max(w, _like(5.0, x))), _like(3.0, x)), _TAIL, x)
    y = op.Mul(op.Where(op.Less(w, _like(5.0, x)), centre, tail), x)
    slope = op.Mul(_like(2 / math.sqrt(math.pi), x), op.Exp(op.Neg(op.Mul(y, y))))
    better = op.Sub(y, op.Div(op.Sub(op.Erf(y), x), op.Max(slope, _like(1e-30, x))))
    is_end = op.Equal(op.Abs(x), one)
    return op.Where(is_end, op.Mul(x, _like(math.inf, x)), op.Where(op.Less(w, _like(5.0, x)), better, y))


def _polynomial(w: Any, factors: Sequence[float], like: Any) -> Any:
    result = _like(factors[0], like)
    for factor in factors[1:]:
        result = op.Add(op.Mul(result, w), _like(factor, like))
    return result


def adaptive_average(x: Any, output_size: Sequence[int]) -> Any:
    """Each entry of an output axis of size o is the mean of x[⌊i n / o⌋ : ⌈(i + 1) n / o⌉] along that axis."""
    like, lengths = x, list(x.shape)
    rank = len(lengths)
    for axis, size in enumerate(output_size, rank - len(output_size)):
        length = lengths[axis]
        if size == length:
            continue
        if size == 1:
            x = op.ReduceMean(x, _ints(axis), keepdims=1)
        elif isinstance(length, int):
            turn = _turned(rank, axis)
            means = op.CastLike(op.Constant(value=ir.tensor(_averaging(length, int(size)))), like)
            x = op.Transpose(op.MatMul(op.Transpose(x, perm=turn), means), perm=turn)
        else:
            raise NotImplementedError(f"an adaptive pool from the open size {length} to {size}")
    return x


def _averaging(length: int, size: int) -> np.ndarray:
    table = np.zeros((length, size), np.float32)
    for i in range(size):
        start, end = i * length // size, -(-(i + 1) * length // size)
        table[start:end, i] = 1 / (end - start)
    return table


def cdist(x: Any, y: Any, p: float, compute_mode: int | None = None) -> Any:
    """[..., n, k], [..., m, k] → [..., n, m]: the p-norms of all differences."""
    away = op.Abs(op.Sub(op.Unsqueeze(x, _ints(-2)), op.Unsqueeze(y, _ints(-3))))
    last = _ints(-1)
    if p == 0:
        return op.ReduceSum(op.CastLike(op.Not(op.Equal(away, _like(0.0, x))), x), last, keepdims=0)
    if p == 1:
        return op.ReduceSum(away, last, keepdims=0)
    if p == 2:
        return op.ReduceL2(away, last, keepdims=0)
    if math.isinf(p):
        return op.ReduceMax(away, last, keepdims=0)
    return op.Pow(op.ReduceSum(op.Pow(away, _like(p, x)), last, keepdims=0), _like(1 / p, x))


def rrelu(x: Any, noise: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """In evaluation a LeakyRelu, with the mean of the slopes."""
    return op.LeakyRelu(x, alpha=(lower + upper) / 2), op.Identity(noise)


def _summable(x: Any) -> Any:
    """Whole numbers are multiplied as int64."""
    return op.Cast(x, to=ir.DataType.INT64) if x.dtype is not None and not x.dtype.is_floating_point() else x


def _turned(rank: int, axis: int) -> list[int]:
    """This axis and the last in each other's place."""
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return perm


def _ints(*values: int) -> Any:
    return op.Constant(value_ints=list(values))


def _like(number: float, x: Any) -> Any:
    return op.CastLike(op.Constant(value_float=number), x)


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """The boxes of one image and one class: the third of each row of indices.

    A box whose second corner is not beyond the first overlaps nothing; the standard would turn it round.
    """
    low, high = op.Slice(boxes, _ints(0), _ints(2), _ints(1)), op.Slice(boxes, _ints(2), _ints(4), _ints(1))
    is_box = op.ReduceMin(op.Cast(op.Less(low, high), to=ir.DataType.INT32), _ints(1), keepdims=1)
    boxes = op.Mul(boxes, op.CastLike(is_box, boxes))
    batched = op.Unsqueeze(boxes, _ints(0)), op.Unsqueeze(scores, _ints(0, 1))
    most = op.Constant(value_ints=[2**31 - 1])
    kept = op.NonMaxSuppression(*batched, most, op.Constant(value_floats=[iou_threshold]))
    return op.Squeeze(op.Slice(kept, _ints(2), _ints(3), _ints(1)), _ints(1))


def roi_align(
    x: Any, rois: Any, scale: float, rows: int, columns: int, sampling_ratio: int = -1, aligned: bool = False
) -> Any:
    """The first number of each region is its image."""
    images = op.Cast(op.Squeeze(op.Slice(rois, _ints(0), _ints(1), _ints(1)), _ints(1)), to=ir.DataType.INT64)
    boxes = op.Slice(rois, _ints(1), _ints(5), _ints(1))
    return op.RoiAlign(
        x,
        boxes,
        images,
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
        output_height=rows,
        output_width=columns,
        sampling_ratio=max(sampling_ratio, 0),
        spatial_scale=scale,
    )


def deform_conv2d(x: Any, weight: Any, offset: Any, mask: Any, bias: Any, *numbers: Any) -> Any:
    stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups, offset_groups, use_mask = numbers
    return opset19.DeformConv(
        x,
        weight,
        offset,
        bias,
        *([mask] if use_mask else []),
        dilations=[dilation_h, dilation_w],
        group=groups,
        offset_group=offset_groups,
        pads=[pad_h, pad_w, pad_h, pad_w],
        strides=[stride_h, stride_w],
    )


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    aten.prod.default: prod,
    aten.prod.dim_int: prod_along,
    aten.cumprod.default: cumprod,
    aten.erfinv.default: erfinv,
    aten._adaptive_avg_pool3d.default: adaptive_average,
    aten._cdist_forward.default: cdist,
    aten.rrelu_with_noise_functional.default: rrelu,
}

TORCHVISION: dict[str, Callable[..., Any]] = {"nms": nms, "roi_align": roi_align, "deform_conv2d": deform_conv2d}


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """What the exporter is given: with torchvision's operators where they were imported, compiled ones or ours."""
    there = {name: getattr(torch.ops.torchvision, name, None) for name in TORCHVISION}
    return TRANSLATIONS | {found.default: TORCHVISION[name] for name, found in there.items() if found is not None}
