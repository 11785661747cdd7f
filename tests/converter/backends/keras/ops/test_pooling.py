"""Pools through the whole converter, against onnxruntime. Their pads have tests of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.op_cases import Case, case, x
from tests.op_checks import check, parameters

B = "batch"
SIZES = {"batch": (2,), "h": (5, 8), "w": (7,)}


def pools(op_type: str, **more: Any) -> list[Case]:
    def pool(kernel: list[int], *sizes: int | str, dtype: str = "float32", **attributes: Any) -> Case:
        return case(op_type, x(B, 3, *sizes, dtype=dtype), kernel_shape=kernel, **more, **attributes)

    return [
        pool([2, 2], 6, 7), pool([3, 2], 6, 7), pool([2, 2], 6, 7, strides=[2, 2]), pool([3, 3], 7, 8, strides=[2, 3]), pool([1, 1], 6, 7, strides=[2, 2]),
        pool([3, 3], 7, 8, strides=[2, 2], pads=[1, 1, 1, 1]), pool([3, 3], 8, 8, strides=[2, 2], ceil_mode=1), pool([3, 3], 8, 8, strides=[2, 2], pads=[1, 0, 0, 1]),
        pool([2], 7), pool([3], 7, strides=[2]), pool([2, 2, 2], 4, 5, 4), pool([2, 1, 2], 4, 5, 4, strides=[2, 2, 1]), pool([3], 8, strides=[2], pads=[1, 1]),
        pool([2, 2], 6, 6, strides=[2, 2], auto_pad="SAME_UPPER"), pool([3, 3], 7, 6, strides=[2, 2], auto_pad="SAME_LOWER"), pool([2, 2], 6, 7, strides=[3, 3]),
        pool([3, 3], "h", "w", strides=[2, 2], pads=[1, 1, 1, 1], _sizes=SIZES), pool([2, 2], "h", "w", _sizes=SIZES), pool([2, 2], 6, 7, dtype="float64"),
    ]  # fmt: skip


CASES = {
    "nhwc::MaxPool": [*pools("MaxPool"), case("MaxPool", x(B, 3, 9, 9), kernel_shape=[3, 3], dilations=[2, 2])],
    "nhwc::AveragePool": [*pools("AveragePool"), *pools("AveragePool", count_include_pad=1)],
    "keraport::OnesLike": [
        case("AveragePool", x(B, 3, "h", "w"), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=i, ceil_mode=i, _sizes=SIZES) for i in (0, 1)
    ],
    "keraport::PadSame": [
        *(case(op_type, x(B, 3, "h", "w"), kernel_shape=[3, 2], strides=[2, 3], auto_pad="SAME_LOWER", _sizes=SIZES) for op_type in ("MaxPool", "AveragePool")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
