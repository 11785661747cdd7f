"""Resize in all its modes through the whole converter, against onnxruntime."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import converter
from converter.backends.keras.nesting.levels import count_transposes
from passes.errors import Unsupported
from tests.harness import check_onnx
from tests.op_cases import Array, Case, Input, c, case, x
from tests.op_checks import check, parameters

B = "batch"
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SIZES = {"batch": (2,), "h": (2, 5), "w": (3,)}


def scales(*values: float) -> tuple[None, Array]:
    return None, c([1, 1, *values], "float32")


def sizes(*values: int) -> tuple[None, None, Array]:
    """Of the last two axes: with axes=[2, 3]."""
    return None, None, c(values)


IMAGE = x(B, 3, 4, 5)
TARGETS = (scales(2, 2), scales(1.5, 0.6), scales(0.5, 3), sizes(7, 3), sizes(1, 9))


def ties(mode: str, target: Any) -> bool:
    """Positions that are whole numbers on paper, which onnxruntime puts below by its rounding of the symmetric formula."""
    return mode == "half_pixel_symmetric" and target[-1].tolist()[-1] in (3, float(np.float32(0.6)))


def image(target: tuple[None, Array] | tuple[None, None, Array], source: Input = IMAGE, **attributes: Any) -> Case:
    axes = {"axes": [2, 3]} if len(target) == 3 else {}
    return case("Resize", source, *target, **axes, **attributes)


CASES = {
    "nhwc::Resize": [
        *(case("Resize", x(B, 3, 16, 11), None, None, c(sizes), axes=[2, 3], mode=mode, antialias=1) for mode in ("linear", "cubic") for sizes in ([7, 5], [5, 13], [20, 11])),
        case("Resize", x(B, 3, 9, 10), None, c([0.4, 0.7], "float32"), axes=[2, 3], mode="cubic", antialias=1, exclude_outside=1),
        *(image(target, mode="nearest", coordinate_transformation_mode=mode, nearest_mode=rounding, _contexts="conv")
          for mode, rounding, target in product(COORDINATES, ROUNDINGS, TARGETS) if not (rounding == "floor" and ties(mode, target))),
        *(image(target, mode="linear", coordinate_transformation_mode=mode, _contexts="conv") for mode, target in product(COORDINATES, TARGETS)),
        *(image(target, mode="cubic", coordinate_transformation_mode=mode, exclude_outside=outside, cubic_coeff_a=a, _contexts="conv")
          for mode, target, (outside, a) in product(COORDINATES, TARGETS, ((0, -0.75), (1, -0.5)))),
        *(case("Resize", IMAGE, None, None, c(wanted), axes=[2, 3], mode=mode, keep_aspect_ratio_policy=policy, _contexts="conv")
          for mode in ("nearest", "linear", "cubic") for policy in ("not_larger", "not_smaller") for wanted in ([7, 7], [3, 9], [8, 3], [4, 5])),
        *(case("Resize", IMAGE, c(part, "float32"), None, c(wanted), axes=[2, 3], mode=mode, coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0, _contexts="conv")
          for mode in ("nearest", "linear", "cubic") for part in ([0, 0, 1, 1], [0.4, 0.6, 0.6, 0.8], [0.4, 0.6, 1.2, 1.7], [1, 0.9, 0, -0.5]) for wanted in ([3, 3], [7, 1], [5, 6])),
        case("Resize", x(1, 3, 4, 5), c([0, 0, 0.2, 0.1, 1, 1, 0.9, 0.7], "float32"), None, c([1, 3, 7, 6]), mode="linear", coordinate_transformation_mode="tf_crop_and_resize"),
        image(scales(2, 2)), image(scales(2, 2), mode="linear"), image(scales(1, 2), mode="linear"),
        case("Resize", IMAGE, None, c([2, 1.5], "float32"), axes=[2, 3], mode="linear"), case("Resize", IMAGE, None, None, c([7, 8]), axes=[2, 3]), case("Resize", IMAGE, None, c([2], "float32"), axes=[3]),
        case("Resize", x(B, 3, 5), None, c([1, 1, 2], "float32")), case("Resize", x(B, 3, 5), None, None, c([7]), axes=[2], mode="linear"), case("Resize", x(B, 3, 5), None, c([1, 1, 2.5], "float32"), mode="linear"),
        case("Resize", x(B, 2, 3, 4, 2), None, c([1, 1, 2, 2, 2], "float32")), case("Resize", x(B, 2, 3, 4, 2), None, c([1, 1, 2, 1.5, 2], "float32"), mode="linear"),
        *(case("Resize", x(B, 3, "h", "w"), *scales(2, 3), mode=mode, _sizes=SIZES) for mode in ("nearest", "linear")),
        *(case("Resize", x(B, 3, "h", "w"), *scales(2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode=rounding, _sizes=SIZES) for rounding in ("floor", "round_prefer_floor")),
        *(case("Resize", x(B, 3, "h", "w"), *scales(s, s), mode="linear", coordinate_transformation_mode=mode, _sizes=SIZES)
          for s in (2, 4) for mode in ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")),
        *(case("Resize", x(B, 3, "h", "w"), None, None, c([7, 8]), axes=[2, 3], mode=mode, coordinate_transformation_mode=t, _sizes=SIZES)
          for mode in ("nearest", "linear") for t in ("half_pixel", "pytorch_half_pixel", "align_corners")),
        case("Resize", x(B, 3, "h", "w"), *scales(0.5, 0.5), mode="linear", _sizes={"batch": (2,), "h": (4, 6), "w": (8,)}),
        case("Resize", x(B, 3, "h", "w"), *scales(1.5, 1.5), mode="linear", _sizes={"batch": (2,), "h": (4, 6), "w": (8,)}),
        case("Resize", x(B, 4, 5, 3), None, c([1, 2, 1.5, 1], "float32"), mode="linear"), case("Resize", x(B, 4, 5, 3), None, c([1, 1, 2, 2.5], "float32")),
        case("Upsample", IMAGE, c([1, 1, 2, 2], "float32"), mode="nearest", _opset=9), case("Upsample", IMAGE, c([1, 1, 2, 2], "float32"), mode="linear", _opset=9),
        case("Resize", IMAGE, c([1, 1, 1.5, 2], "float32"), mode="nearest", _opset=10), case("Resize", x(B, 3, 4, 5, dtype="float16"), *scales(2, 2), mode="linear"),
        case("Resize", x(B, 3, 4, 5, dtype="float64"), *scales(1.5, 2), mode="linear"), case("Resize", x(B, 3, 4, 5, dtype="uint8"), *scales(2, 2)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


REFUSED = [
    image(scales(0.5, 0.5), x(B, 3, "h", "w"), mode="linear", antialias=1),
    case("Resize", x(B, 3, "h", "w"), None, None, c([7, 7]), axes=[2, 3], keep_aspect_ratio_policy="not_larger"),
    case(
        "Resize",
        IMAGE,
        c([0, 0, 1, 0.5], "float32"),
        c([2, 2], "float32"),
        axes=[2, 3],
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    case(
        "Resize",
        IMAGE,
        c([0, 0, 1, 0.5], "float32"),
        None,
        c([4, 5]),
        axes=[2, 3],
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    case(
        "Resize",
        x(B, 3, "h", "w"),
        c([0, 0, 1, 0.5], "float32"),
        None,
        c([7, 7]),
        axes=[2, 3],
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
    case("Resize", IMAGE, None, c([1, 2, 2, 2], "float32")),
    case("Resize", x(4, 5), None, c([2, 1.5], "float32")),
    image(scales(0.123456, 1), x(B, 3, "h", "w"), mode="linear"),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in REFUSED])
def test_refused(case: Case) -> None:
    with pytest.raises(Unsupported, match="is not converted") as raised:
        converter.convert(ir.from_proto(case.model()), verify=False)
    assert raised.value.node and "under_test" in raised.value.node


LIKE = """
g (float[batch,3,h,w] x, float[batch,2,h2,w2] z) => (float[batch,5,h2,w2] y)
<float[3,3,1,1] k = {1, 0, 0, 0, 1, 0, 0, 0, 1}, float[2,2,1,1] l = {1, 0, 0, 1}>
{
    a = Conv(x, k)
    b = Conv(z, l)
    of_a = Shape(a)
    of_b = Shape(b)
    zero = Constant<value_ints=[0]>()
    two = Constant<value_ints=[2]>()
    four = Constant<value_ints=[4]>()
    kept = Slice(of_a, zero, two)
    taken = Slice(of_b, two, four)
    sizes = Concat<axis=0>(kept, taken)
    up = Resize<mode="MODE", coordinate_transformation_mode="COORDINATES">(a, , , sizes)
    y = Concat<axis=1>(up, b)
}
"""


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_to_the_size_of_another_tensor(mode: str, coordinates: str) -> None:
    """A decoder that meets its skip connection, all sizes open."""
    text = LIKE.replace("MODE", mode).replace("COORDINATES", coordinates)
    sizes = {"batch": (1, 2), "h": (3,), "w": (4, 5), "h2": (7,), "w2": (8, 5)}
    checked = check_onnx(text, sizes=sizes)
    assert count_transposes(checked.model) == 0
