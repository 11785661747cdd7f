"""Results whose size the numbers decide, through the whole converter, against onnxruntime."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keraport.layers
from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
FEW, HALF, SCORE = c([3]), c([0.5], "float32"), c([0.2], "float32")

CASES = {
    "NonZero": [case("NonZero", x(3, 4, dtype=dtype), _contexts="plain") for dtype in ("bool", "float32", "int64")],
    "Compress": [
        case("Compress", x(B, 6, 5), x(6, dtype="bool"), axis=1), case("Compress", x(B, 6), c([1, 0, 1, 1], "bool"), axis=1),
        case("Compress", x(3, 4), x(12, dtype="bool"), _contexts="plain"), case("Compress", w(4, 5), x(4, dtype="bool"), axis=0),
    ],
    "Unique": [
        *(case("Unique", x(4, 6, dtype=dtype, draw="small"), sorted=order, _outputs=4, _contexts="plain")
          for dtype in ("float32", "int64") for order in (0, 1)),
        case("Unique", x("n", dtype="int64", draw="small"), axis=0, _outputs=4, _sizes={"n": (1, 9)}), case("Unique", x(7), _contexts="plain"),
    ],
    "NonMaxSuppression": [
        *(case("NonMaxSuppression", x(2, 9, 4), x(2, 3, 9, draw="unit"), *more, center_point_box=centre)
          for more in ((FEW,), (FEW, HALF), (FEW, HALF, SCORE), (c([99]), c([0.0], "float32"), SCORE), (c([0]),), ()) for centre in (0, 1)),
        case("NonMaxSuppression", x(B, 9, 4), x(B, 2, 9, draw="halves"), c(4), HALF, _note="ties"),
        case("NonMaxSuppression", x(1, "n", 4), x(1, 1, "n", draw="unit"), c([2**40]), HALF, SCORE, _sizes={"n": (1, 12)}),
        case("NonMaxSuppression", x(1, 9, 4), x(1, 2, 9), x(1, dtype="int64", draw="positive"), HALF, x(1, draw="unit"), _contexts="plain"),
        case("NonMaxSuppression", w(1, 9, 4), x(1, 2, 9), FEW, HALF), case("NonMaxSuppression", x(1, 9, 4), x(1, 2, 9), FEW, HALF, c([99.0], "float32"), _note="none"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_boxes_that_are_no_boxes() -> None:
    """As onnxruntime: an area that is not above 0 overlaps nothing, corners may be given in any order."""
    boxes = np.array([[[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]], np.float32)
    layer = keraport.layers.NonMaxSuppression(9, 0.5)
    kept = layer([boxes, np.array([[[4, 3, 2, 1]]], np.float32)])
    assert keras.ops.convert_to_numpy(kept)[:, 2].tolist() == [0, 2, 3]
