"""Convolutions through the whole converter, against onnxruntime. Their pads have tests of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.op_cases import Case, case, w, x
from tests.op_checks import check, parameters

B = "batch"
SIZES = {"batch": (2,), "h": (5, 8), "w": (7,)}


def conv(
    channels: int,
    out: int,
    kernel: tuple[int, ...],
    *sizes: int | str,
    group: int = 1,
    bias: bool = True,
    dtype: str = "float32",
    **more: Any,
) -> Case:
    weights = [w(out, channels // group, *kernel, dtype=dtype)] + [w(out, dtype=dtype)] * bias
    return case(
        "Conv", x(B, channels, *sizes, dtype=dtype), *weights, group=group, _contexts=("plain", "turned"), **more
    )


def transposed(
    channels: int,
    out: int,
    kernel: tuple[int, ...],
    *sizes: int | str,
    group: int = 1,
    bias: bool = True,
    dtype: str = "float32",
    **more: Any,
) -> Case:
    weights = [w(channels, out // group, *kernel, dtype=dtype)] + [w(out, dtype=dtype)] * bias
    return case(
        "ConvTranspose",
        x(B, channels, *sizes, dtype=dtype),
        *weights,
        group=group,
        _contexts=("plain", "turned"),
        **more,
    )


CASES = {
    "nhwc::Conv": [
        conv(3, 4, (3, 3), 6, 7), conv(3, 4, (3, 3), 6, 7, bias=False), conv(3, 4, (1, 1), 6, 7), conv(3, 4, (3, 2), 6, 7, strides=[2, 1]), conv(3, 4, (3, 3), 8, 8, strides=[2, 3]),
        conv(3, 4, (3, 3), 8, 9, dilations=[2, 2]), conv(3, 4, (2, 3), 8, 9, dilations=[1, 2]), conv(3, 4, (3, 3), 12, 11, dilations=[2, 2], strides=[2, 2]),
        conv(4, 6, (3, 3), 6, 7, group=2), conv(4, 4, (3, 3), 6, 7, group=4), conv(4, 8, (3, 3), 6, 7, group=4), conv(4, 12, (3, 3), 6, 7, group=4, strides=[2, 2]),
        conv(4, 4, (3, 3), 8, 7, group=4, strides=[2, 1]), conv(4, 4, (3, 3), 9, 9, group=4, dilations=[2, 2]), conv(4, 4, (3, 3), 11, 11, group=4, dilations=[2, 2], strides=[2, 2]),
        conv(4, 4, (3, 3), 9, 9, group=4, dilations=[1, 2]), conv(1, 4, (3, 3), 6, 6), conv(1, 1, (3, 3), 6, 6), conv(4, 4, (2, 2), 6, 7, group=2, dilations=[2, 2]),
        conv(3, 4, (3,), 9), conv(3, 4, (3,), 9, strides=[2]), conv(3, 4, (3,), 9, dilations=[2]), conv(4, 4, (3,), 9, group=2), conv(4, 4, (3,), 9, group=4), conv(4, 8, (3,), 9, group=4, strides=[2]),
        conv(4, 8, (2,), 9, group=4, dilations=[3]), conv(3, 4, (3,), 19, strides=[2], dilations=[3]),
        conv(2, 3, (2, 3, 2), 4, 5, 4), conv(2, 3, (2, 3, 2), 4, 5, 5, strides=[1, 2, 2]), conv(4, 4, (2, 2, 2), 4, 4, 4, group=2), conv(4, 4, (2, 2, 2), 4, 4, 4, group=4),
        conv(2, 3, (2, 2, 2), 5, 5, 5, dilations=[2, 2, 2]), conv(4, 8, (2, 2, 2), 4, 4, 4, group=4, strides=[2, 2, 2]), conv(2, 3, (2, 2, 2), 5, 5, 5, dilations=[2, 1, 1]),
        conv(3, 4, (3, 3), "h", "w", _sizes=SIZES), conv(3, 4, (3, 3), "h", "w", strides=[2, 2], pads=[1, 1, 1, 1], _sizes=SIZES), conv(4, 4, (3, 3), "h", "w", group=4, pads=[1, 1, 1, 1], _sizes=SIZES),
        conv(3, 4, (3, 3), 6, 7, dtype="float16"), conv(4, 4, (3, 3), 6, 7, group=4, dtype="float16"), conv(3, 4, (3, 3), 6, 7, dtype="float64"),
        case("Conv", x(B, 3, 5, 5), x(4, 3, 3, 3), _contexts="plain", _note="computed"), case("Conv", x(B, 4, 9), x(4, 2, 3), x(4), group=2, strides=[2], _contexts="plain"),
        case("Conv", x(B, 4, 9, 9), x(4, 1, 3, 3), group=4, dilations=[2, 2], _contexts="plain"), case("Conv", x(B, 4, 9), x(8, 1, 3), group=4, strides=[2], _contexts="plain"), conv(12, 8, (3, 3), 6, 7, group=4, pads=[1, 1, 1, 1]),
        case("Conv", x(B, 3, 5, 5), w(4, 3, 3, 3), x(4), _contexts=("plain", "turned"), _note="computed bias"),
    ],
    "nhwc::ConvTranspose": [
        transposed(3, 4, (3, 3), 4, 5), transposed(3, 4, (3, 3), 4, 5, bias=False), transposed(3, 4, (2, 2), 4, 5, strides=[2, 2]), transposed(3, 4, (3, 2), 4, 5, strides=[2, 3]),
        transposed(3, 4, (1, 1), 4, 5, strides=[2, 2]), transposed(3, 4, (2, 2), 4, 5, strides=[3, 3]), transposed(3, 4, (3, 3), 4, 5, dilations=[2, 2]), transposed(3, 4, (3, 3), 4, 5, dilations=[2, 1], strides=[2, 2]),
        transposed(4, 6, (3, 3), 4, 5, group=2), transposed(4, 4, (3, 3), 4, 5, group=4, strides=[2, 2]), transposed(4, 8, (3, 3), 4, 5, group=4), transposed(4, 8, (4, 4), 4, 5, group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
        transposed(3, 4, (3, 3), 4, 5, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]), transposed(3, 4, (4, 4), 4, 5, strides=[2, 2], pads=[1, 1, 1, 1]),
        transposed(3, 4, (3,), 6), transposed(3, 4, (3,), 6, strides=[2]), transposed(4, 4, (3,), 6, group=2, strides=[3], dilations=[2]), transposed(3, 4, (2,), 6, strides=[3]),
        transposed(2, 3, (2, 2, 2), 3, 3, 4), transposed(2, 3, (2, 2, 2), 3, 3, 4, strides=[2, 2, 2]), transposed(4, 4, (2, 3, 2), 3, 3, 4, group=2, strides=[1, 2, 2]),
        transposed(3, 4, (3, 3), "h", "w", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], _sizes=SIZES), transposed(3, 4, (2, 2), "h", "w", strides=[3, 3], _sizes=SIZES),
        transposed(3, 4, (3, 3), 4, 5, dtype="float16"), transposed(3, 4, (3, 3), 4, 5, strides=[2, 2], dtype="float64"),
        case("ConvTranspose", x(B, 3, 4, 5), x(3, 4, 3, 3), _contexts="plain", _note="computed"), case("ConvTranspose", x(B, 4, 6), x(4, 3, 3), x(6), group=2, strides=[2], _contexts="plain"),
        case("ConvTranspose", x(B, 4, 4, 5), x(4, 2, 3, 2), group=4, strides=[2, 3], dilations=[2, 1], pads=[1, 1, 1, 1], _contexts="plain"), case("ConvTranspose", w(1, 3, 4, 5), x(3, 2, 3, 3), strides=[2, 2]),
        case("ConvTranspose", x(B, 3, "h", "w"), x(3, 4, 3, 3), strides=[2, 2], _contexts="plain", _sizes=SIZES), case("ConvTranspose", x(B, 3, 4, 5), w(3, 4, 3, 3), x(4), _contexts="plain"),
    ],
    "keraport::CentreCrop": [
        transposed(3, 4, (3, 3), "h", "w", strides=[2, 2], output_shape=[9, 11], _sizes={"batch": (2,), "h": (5, 6), "w": (6,)}),
        transposed(3, 4, (4, 4), "h", "w", strides=[2, 2], auto_pad="SAME_UPPER", _sizes=SIZES),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
