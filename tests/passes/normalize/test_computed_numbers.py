"""Axes, steps, counts and scales that are inputs of the model, through the whole converter, against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import converter
from passes.errors import Unsupported
from tests.harness import check_onnx
from tests.op_cases import Case, Input, c, case, x
from tests.op_checks import check, parameters

B = "batch"
SIZES = {"batch": (1, 3), "t": (2, 5)}
IMAGES = {"batch": (2,), "h": (6, 9), "w": (7,)}


def axis(rank: int) -> Input:
    return x(1, dtype="int64", draw=f"index:{rank}")


def number(draw: str = "positive", dtype: str = "int64") -> Input:
    return x(dtype=dtype, draw=draw)


def some(count: int, draw: str = "positive", dtype: str = "int64") -> Input:
    return x(count, dtype=dtype, draw=draw)


TWO_AXES = some(2, "distinct")

AXES = {
    **{
        name: [
            *(case(name, x(B, 3, "t", 5, draw="positive"), axis(4), keepdims=keep, _sizes=SIZES) for keep in (0, 1)),
            case(name, x(B, 3, 4, draw="positive"), TWO_AXES, keepdims=0, _contexts="plain"),
            case(name, x(B, 4, draw="positive"), x(2, dtype="int64", draw="distinct"), keepdims=0, _contexts="plain"),
        ]
        for name in ("ReduceSum", "ReduceMax", "ReduceMean", "ReduceLogSumExp")
    },
    "CumSum": [
        *(case("CumSum", x(B, 3, "t"), number("index:3", kind), reverse=back, _sizes=SIZES)
          for back, kind in ((0, "int64"), (1, "int32"))),
        case("CumSum", x(2, 3, 4), number("index:3"), exclusive=1),
    ],
    "Unsqueeze": [case("Unsqueeze", x(B, 3, "t"), axis(4), _sizes=SIZES), case("Unsqueeze", x(B, 3), TWO_AXES, _contexts="plain")],
    "Squeeze": [case("Squeeze", x(1, 3, 1, 4), x(1, dtype="int64", draw="below:1"))],
    "DFT": [case("DFT", x(B, 5, 6, 1), None, number("below:3"), onesided=1, _opset=20, _contexts="plain"), case("DFT", x(B, 5, 6, 2), None, number("below:3"), inverse=1, _opset=20, _contexts="plain")],
}  # fmt: skip

SLICES = {
    "Slice": [
        case("Slice", x(B, 6, 5), some(1, "index:9"), some(1, "index:9"), axis(3), some(1, "nonzero"), _contexts="plain"),
        case("Slice", x(B, 6, 5), some(2, "index:9", "int32"), some(2, "index:9", "int32"), some(2, "distinct", "int32"), _contexts="plain"),
        *(case("Slice", x(2, 6, "t"), some(1, "index:7"), some(1, "index:7"), c([where]), some(1, "nonzero"), _sizes={"t": (2, 5, 8, 9)}) for where in (1, 2)),
        case("Slice", x(2, 6, "t"), some(2, "below:3"), some(2, "index:7"), c([1, 2]), _sizes={"t": (2, 5, 8)}),
        case("Slice", x(2, 6), some(1, "below:3"), c([9]), c([1]), c([2])),
    ],
    "Pad": [
        *(case("Pad", x(2, 5, 6), some(2, "below:4"), None, axis(3), mode=mode, _opset=21, _contexts="plain") for mode in ("constant", "edge", "reflect", "wrap")),
        *(case("Pad", x(2, 5, "t"), some(2, "below:3"), None, c([1]), mode=mode, _opset=21, _sizes=SIZES) for mode in ("constant", "edge", "wrap")),
        case("Pad", x(2, 5, 6), some(6, "below:4"), c(7.0, "float32")),
    ],
}  # fmt: skip

COUNTS = {
    "TopK": [*(case("TopK", x(B, 10, 3, draw="distinct"), some(1), axis=1, largest=most, _outputs=2) for most in (0, 1)), case("TopK", x(2, "n", draw="distinct"), some(1, "below:4"), _outputs=2, _sizes={"n": (4, 9)})],
    "Trilu": [*(case("Trilu", x(B, 4, "t"), number("index:6"), upper=upper, _sizes=SIZES) for upper in (0, 1)), case("Trilu", x(0, 4), number("index:6"), _contexts="plain"), case("Trilu", x(3, 5, dtype="int64"), number("index:6"))],
    "Range": [*(case("Range", number("index:9", kind), number("index:9", kind), number("nonzero", kind)) for kind in ("int64", "int32", "float32")), case("Range", c(3), number(), c(2))],
    "ConstantOfShape": [case("ConstantOfShape", some(3, "below:4")), case("ConstantOfShape", some(1))],
    "Expand": [case("Expand", x(1, 1, 4), c([3, 1, 1])), case("Expand", x(B, 1), some(1)), case("Expand", x(1, 1), some(3))],
}  # fmt: skip

COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")


def resized(told: Sequence[Any], **more: Any) -> Case:
    return case("Resize", x(B, 3, "h", "w"), *told, axes=[2, 3], _sizes=IMAGES, **more)


BY_SCALES, BY_SIZES = (None, some(2, "positive", "float32")), (None, None, some(2))
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")

RESIZES = {
    "nhwc::Resize": [
        *(resized(told, mode="linear", coordinate_transformation_mode=mode) for mode, told in product(COORDINATES, (BY_SCALES, BY_SIZES))),
        *(resized(told, mode="cubic", coordinate_transformation_mode="half_pixel", exclude_outside=outside, cubic_coeff_a=a)
          for told in (BY_SCALES, BY_SIZES) for outside, a in ((0, -0.75), (1, -0.5))),
        *(resized(BY_SCALES, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode=rounding) for rounding in ROUNDINGS),
        *(resized(BY_SIZES, mode="nearest", keep_aspect_ratio_policy=policy) for policy in ("not_larger", "not_smaller")),
        case("Resize", x(1, 3, 6, 7), None, some(4, "positive", "float32"), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        case("Resize", x(1, 3, 6, 7, dtype="int32"), None, some(2, "positive", "float32"), axes=[3, 2], coordinate_transformation_mode="asymmetric", nearest_mode="ceil"),
        *(case("Resize", x(2, 3, 8, 8), some(4, "positive", "float32"), mode="nearest", _opset=10) for _ in (0,)),
    ],
}  # fmt: skip

CASES: Mapping[str, Sequence[Case]] = AXES | SLICES | COUNTS | RESIZES


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def model(text: str, opset: int = 21) -> ir.Model:
    return ir.from_onnx_text(f'<ir_version: 10, opset_import: ["" : {opset}]>\n{text}')


def test_a_part_of_an_image_whose_place_is_an_input() -> None:
    """tf_crop_and_resize: what is outside of the image is the value that is told."""
    text = """g (float[1,2,5,6] x, float[4] part, int64[2] n) => (float[1,2,3,1] y) { y = Resize<axes = [2, 3],
        coordinate_transformation_mode = "tf_crop_and_resize", mode = "linear", extrapolation_value = 7.0>(x, part, , n) }"""
    random = np.random.default_rng(0)
    feeds = [
        {"x": random.normal(size=(1, 2, 5, 6)).astype(np.float32), "part": np.array(part, np.float32), "n": c([3, 1])}
        for part in ([0, 0, 1, 1], [0.4, 0.6, 0.6, 0.8], [0.4, 0.6, 1.2, 1.7], [1, 0.9, 0, -0.5])
    ]
    check_onnx(model(text), feeds=feeds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g (float[1,2,8,8] x, float[2] s) => (float[1,2,a,b] y) { y = Resize<antialias=1, mode=\"linear\", axes=[2,3]>(x, , s) }",
         "antialias"),
        ("g (int32[1,2,8,8] x, float[2] s) => (int32[1,2,a,b] y) { y = Resize<mode=\"linear\", axes=[2,3]>(x, , s) }",
         "whole numbers"),
        ("g (float[a,b,c,d,e,f,g] x, int64[3] n) => (float[h,i,j,k] y) { y = ReduceSum<keepdims=0>(x, n) }",
         "axes of a reduction are computed"),
        ("g (int64[2] i, int64 d, float[2] v) => (float[2,n] y) { y = OneHot(i, d, v) }", "computes at run time"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        converter.convert(model(text), verify=False)


def test_the_file_says_how_many() -> None:
    """Where the size of the output is written down, the number that asks for it can be no other."""
    text = "g (int64[2] i, int64 d, float[2] v) => (float[2,5] y) { y = OneHot(i, d, v) }"
    result = converter.convert(model(text), verify=False)
    assert result.model.outputs[0].shape == (2, 5)


def test_what_is_of_one_axis_alone_needs_no_choice() -> None:
    """All axes of a matrix are two: nothing is left to choose."""
    result = converter.convert(
        model("g (float[2,3] x, int64[2] a) => (float y) { y = ReduceSum<keepdims=0>(x, a) }"), verify=False
    )
    assert not any(custom.startswith("If") for custom in result.report.custom_layers)
    assert "keraport::If" not in result.report.operators
