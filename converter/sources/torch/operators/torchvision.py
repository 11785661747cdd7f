"""torchvision's own operators, compiled ones or those of torchvision_kernels.py."""

from __future__ import annotations

from typing import Any

import onnx_ir as ir
from onnxscript import opset18 as op
from onnxscript import opset19

from converter.sources.torch.operators.written import ints


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """The boxes of one image and one class: the third of each row of indices.

    A box whose second corner is not beyond the first overlaps nothing; the standard would turn it round.
    """
    low, high = op.Slice(boxes, ints(0), ints(2), ints(1)), op.Slice(boxes, ints(2), ints(4), ints(1))
    is_box = op.ReduceMin(op.Cast(op.Less(low, high), to=ir.DataType.INT32), ints(1), keepdims=1)
    boxes = op.Mul(boxes, op.CastLike(is_box, boxes))
    batched = op.Unsqueeze(boxes, ints(0)), op.Unsqueeze(scores, ints(0, 1))
    most = op.Constant(value_ints=[2**31 - 1])
    kept = op.NonMaxSuppression(*batched, most, op.Constant(value_floats=[iou_threshold]))
    return op.Squeeze(op.Slice(kept, ints(2), ints(3), ints(1)), ints(1))


def roi_align(
    x: Any, rois: Any, scale: float, rows: int, columns: int, sampling_ratio: int = -1, aligned: bool = False
) -> Any:
    """The first number of each region is its image."""
    images = op.Cast(op.Squeeze(op.Slice(rois, ints(0), ints(1), ints(1)), ints(1)), to=ir.DataType.INT64)
    boxes = op.Slice(rois, ints(1), ints(5), ints(1))
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
