"""GridSample, RoiAlign and DeformConv through the whole converter, against onnxruntime."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
PADDINGS = ("zeros", "border", "reflection")
GRID = x(B, 4, 3, 2, draw="normal")

ROIS = np.array([[0, 0, 4, 3], [1, 0.5, 9, 7], [2, 2, 2, 2], [-3, -2, 3, 3], [5, 4, 1, 1]], np.float32)


def regions(**attributes: Any) -> Case:
    """Some regions of two images, one of them no larger than a point, two outside in part or turned round."""
    images = c([0, 1, 1, 0, 1])
    return case("RoiAlign", x(2, 3, 7, 9), ROIS, images, output_height=2, output_width=3, _opset=16, **attributes)


POOLED = np.array(
    [[0, 0, 0, 4, 3], [1, 1, 0.5, 9, 7], [0, 2, 2, 2, 2], [1, -3, -2, 3, 3], [0, 5, 4, 1, 1], [1, 20, 20, 30, 30]],
    np.float32,
)
"""Of the image that is told first; the last is outside."""

LARGE = np.array(
    [[0, 0, 4, 3], [1, 0.5, 9, 7], [2, 2, 2, 2], [-3, -2, 3, 3], [5, 4, 1, 1], [30, 30, 40, 40], [-30, -20, -5, -8],
     [0.3, 0.2, 8.9, 6.7]], np.float32,
)  # fmt: skip


CASES = {
    "nhwc::MaxRoiPool": [
        *(
            case("MaxRoiPool", x(2, 3, 7, 9), POOLED, pooled_shape=[2, 3], spatial_scale=scale, _opset=16)
            for scale in (1.0, 0.5, 1.5)
        ),
        case("MaxRoiPool", x(2, 3, "h", "w"), POOLED, pooled_shape=[3, 5], _opset=16, _sizes={"h": (5, 8), "w": (6,)}),
        case(
            "MaxRoiPool",
            x(2, 3, 7, 9),
            x("r", 5, draw="unit"),
            pooled_shape=[3, 2],
            spatial_scale=2.5,
            _opset=16,
            _sizes={"r": (1, 4)},
            _contexts="plain",
        ),
    ],
    "nhwc::RoiAlign": [
        *(  # the greatest of as many samples as a region is large
            case(
                "RoiAlign",
                x(2, 3, 7, 9),
                LARGE,
                c([0, 1, 1, 0, 1, 0, 1, 1]),
                mode="max",
                output_height=2,
                output_width=3,
                spatial_scale=scale,
                coordinate_transformation_mode=where,
                _opset=16,
            )
            for scale in (1.0, 0.5, 1.5, 2.5)
            for where in ("half_pixel", "output_half_pixel")
        ),
        case(
            "RoiAlign",
            x(2, 3, "h", 9),
            x("r", 4),
            x("r", dtype="int64", draw="below:2"),
            mode="max",
            _opset=16,
            output_height=3,
            output_width=2,
            spatial_scale=4.0,
            coordinate_transformation_mode="output_half_pixel",
            _sizes={"r": (1, 4), "h": (5, 8)},
            _contexts="plain",
        ),
        *(
            regions(sampling_ratio=ratio, spatial_scale=scale, coordinate_transformation_mode=where, mode=mode)
            for ratio, scale in ((2, 1.0), (1, 0.5), (3, 1.5))
            for where in ("half_pixel", "output_half_pixel")
            for mode in ("avg", "max")
        ),
        *(  # as many samples as a region is large
            regions(spatial_scale=scale, coordinate_transformation_mode=where)
            for scale in (1.0, 0.5, 2.5)
            for where in ("half_pixel", "output_half_pixel")
        ),
        case(
            "RoiAlign",
            x(2, 3, "h", 9),
            x("r", 4),
            x("r", dtype="int64", draw="below:2"),
            _opset=16,
            output_height=3,
            output_width=2,
            spatial_scale=4.0,
            coordinate_transformation_mode="output_half_pixel",  # else onnxruntime fails where a region is negative
            _sizes={"r": (1, 4), "h": (5, 8)},
            _contexts="plain",
        ),
        case(
            "RoiAlign",
            x(2, 3, 7, 9),
            x("r", 4, draw="positive"),
            c([1]),
            output_height=2,
            output_width=2,
            sampling_ratio=2,
            _opset=16,
            _sizes={"r": (1,)},
        ),
        case(
            "RoiAlign",
            x(2, 3, "h", 9),
            x("r", 4),
            x("r", dtype="int64", draw="below:2"),
            sampling_ratio=2,
            _opset=16,
            output_height=2,
            output_width=2,
            _sizes={"r": (1, 4), "h": (5, 8)},
            _contexts="plain",
        ),
    ],
    "nhwc::GridSample": [
        *(
            case("GridSample", x(B, 3, 5, 6), GRID, mode=mode, padding_mode=padding, align_corners=align)
            for mode, padding, align in product(("linear", "nearest", "cubic"), PADDINGS, (0, 1))
        ),
        *(
            case("GridSample", x(B, 3, 5, 6), GRID, mode=mode, padding_mode=padding, align_corners=1, _opset=16)
            for mode, padding in product(("bilinear", "nearest", "bicubic"), PADDINGS)
        ),
        *(
            case("GridSample", x(B, 2, 3, 4, 5), x(B, 2, 3, 2, 3), mode=mode, padding_mode=padding, align_corners=align)
            for mode, padding, align in product(("linear", "nearest"), PADDINGS, (0, 1))
        ),
        *(
            case("GridSample", x(B, 3, "h", "w"), GRID, padding_mode=p, _sizes={B: (2,), "h": (4, 5), "w": (3,)})
            for p in PADDINGS
        ),
        *(case("GridSample", x(B, 3, 1, 5), GRID, padding_mode=p, align_corners=a) for p in PADDINGS for a in (0, 1)),
        case("GridSample", x(2, 3, 5, 6), w(2, 4, 3, 2)),
        case("GridSample", x(B, 3, 5, 6), x(B, "t", 1, 2), _sizes={B: (1, 3), "t": (1, 7)}),
    ],
}


@pytest.mark.parametrize("case", parameters(CASES, one_in={"nhwc::GridSample": 5}))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


DEFORMABLE = [
    case("DeformConv", x(B, 4, 6, 7), w(6, 4, 3, 3), x(B, 18, 6, 7), pads=[1, 1, 1, 1]),
    case("DeformConv", x(B, 4, 6, 7), w(6, 2, 3, 2), x(B, 12, 3, 3), w(6), strides=[2, 2], group=2, pads=[1, 0, 1, 0]),
    case("DeformConv", x(B, 4, 6, 7), w(6, 4, 2, 2), x(B, 16, 4, 5), w(6), x(B, 8, 4, 5), dilations=[2, 2], offset_group=2),
    case("DeformConv", x(2, 4, 6, 7), x(6, 4, 2, 2), x(2, 8, 5, 6), None, x(2, 4, 5, 6), _contexts="plain"),
]  # fmt: skip


@pytest.mark.parametrize("case", parameters({"DeformConv": DEFORMABLE}))
def test_a_deformable_convolution(case: Case) -> None:
    check(case)
