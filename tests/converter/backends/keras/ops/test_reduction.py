"""Reductions through the whole converter, against onnxruntime."""

from __future__ import annotations

import pytest

from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

B = "batch"


def reduction(
    op_type: str, draw: str = "normal", dtypes: tuple[str, ...] = ("float64", "int32", "int64")
) -> list[Case]:
    """Axes of every kind, kept or not, on every rank; the axes as an attribute, as before opset 18."""
    image = x(B, 3, 4, 5, draw=draw)
    return [
        *(case(op_type, image, c(axes), keepdims=keep)
          for axes in ([2, 3], [1], [-1], [1, 2, 3], [0], [3, 1], [0, 2, 3], [2]) for keep in (0, 1)),
        case(op_type, image), case(op_type, image, keepdims=0), case(op_type, image, noop_with_empty_axes=1),
        case(op_type, image, c([], "int64")), case(op_type, image, c([], "int64"), noop_with_empty_axes=1),
        *(case(op_type, x(B, 3, 4, draw=draw), c(axes), keepdims=keep) for axes in ([2], [1]) for keep in (0, 1)),
        case(op_type, x(B, 6, draw=draw), c([1]), keepdims=0), case(op_type, x(B, draw=draw), c([0]), keepdims=0),
        case(op_type, x(B, 3, 2, 4, 2, draw=draw), c([2, 3, 4]), keepdims=0), case(op_type, x(B, 3, 2, 4, 2, draw=draw), c([1, -1])),
        case(op_type, image, axes=[1, -1], keepdims=0, _opset=11), case(op_type, image, axes=[2, 3], _opset=11 if op_type != "ReduceSum" else 9),
        *(case(op_type, x(B, 3, 4, dtype=dtype, draw=draw if dtype[0] == "f" else "positive"), c([1]), keepdims=0) for dtype in dtypes),
        case(op_type, x(B, 3, "h", "w", draw=draw), c([2, 3]), _sizes={"batch": (2,), "h": (3, 4), "w": (5,)}),
        case(op_type, x(B, 3, "h", "w", draw=draw), c([1]), keepdims=0, _sizes={"batch": (2,), "h": (3, 4), "w": (5,)}),
    ]  # fmt: skip


def arg(op_type: str) -> list[Case]:
    return [
        *(case(op_type, x(B, 3, 4, 5), axis=axis, keepdims=keep) for axis in (0, 1, 2, 3, -1) for keep in (0, 1)),
        *(case(op_type, x(B, 3, 4, 5, draw="small"), axis=axis, keepdims=keep, select_last_index=1) for axis in (1, 2, -1) for keep in (0, 1)),
        *(case(op_type, x(B, 8, draw="small"), axis=1, select_last_index=last) for last in (0, 1)), case(op_type, x(B, 8)),
        case(op_type, x(B, 6, dtype="int32", draw="distinct"), axis=1), case(op_type, x(B, 6, dtype="float64"), axis=1, keepdims=0),
        case(op_type, x(B, 3, 4, 2, 2), axis=1, keepdims=0),
        case(op_type, x(B, "n", draw="small"), axis=1, select_last_index=1, _sizes={"batch": (2,), "n": (3, 9)}),
    ]  # fmt: skip


CASES = {
    **{name: reduction(name) for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceSumSquare")},
    "ReduceL2": reduction("ReduceL2", dtypes=("float64",)),
    "ReduceProd": reduction("ReduceProd"),
    "ReduceLogSum": reduction("ReduceLogSum", "positive", dtypes=("float64",)),
    "ReduceLogSumExp": [*reduction("ReduceLogSumExp", dtypes=("float64",)), case("ReduceLogSumExp", x(B, 9, draw="large"), c([1]))],
    "ArgMax": arg("ArgMax"),
    "ArgMin": arg("ArgMin"),
}  # fmt: skip
CASES["ReduceMax"] += [
    case("ReduceMax", x(B, 3, 4, dtype="float16"), c([1])),
    case("ReduceMax", x(B, 4, dtype="uint8"), c([1])),
]
CASES["ReduceMean"] += [
    case("ReduceMean", x(B, 3, 4, 5, dtype="float16"), c([2, 3])),
    case("GlobalAveragePool", x(B, 3, 4, 5)),
]
CASES["ReduceMean"] += [case("GlobalAveragePool", x(B, 3, *shape)) for shape in ((4,), (2, 3, 2))]
CASES["ReduceMax"] += [case("GlobalMaxPool", x(B, 3, *shape)) for shape in ((4,), (4, 5), (2, 3, 2))]


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
