"""Pads of every mode through the whole converter, against onnxruntime."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import converter
from passes.errors import Unsupported
from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

B = "batch"
MODES = ("constant", "reflect", "edge", "wrap")

CASES = {
    "Pad": [
        *(case("Pad", x(B, 3, 5, 6), c(pads), mode=mode) for mode in MODES
          for pads in ([0, 0, 1, 2, 0, 0, 2, 1], [0, 0, 0, 3, 0, 0, 0, 0], [0, 1, 0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0, 2, 3])),
        *(case("Pad", x(B, 3, 5, 6), c(pads), mode=mode) for mode in MODES
          for pads in ([0, 0, -1, 2, 0, 0, 2, -1], [0, 0, -1, -2, 0, 0, -1, 0], [0, -1, 0, 0, 0, 0, 0, -2], [0, 0, -2, 3, 0, 0, 2, 3])),
        *(case("Pad", x(B, 3, 6), c([0, 0, 2, 0, 0, 3]), mode=mode) for mode in MODES), *(case("Pad", x(B, 6), c([0, 2, 0, 3]), mode=mode) for mode in MODES),
        *(case("Pad", x(B, 2, 3, 4, 5), c([0, 0, 1, 2, 0, 0, 0, 0, 1, 3]), mode=mode) for mode in MODES),
        *(case("Pad", x(B, 3, 5, 6), c([1, 2, 2, 0]), None, c([2, 3]), mode=mode) for mode in MODES), case("Pad", x(B, 3, 5, 6), c([1, 2]), None, c([-1])),
        *(case("Pad", x(B, 3, 5, 6), c([0, 0, 1, 2, 0, 0, 2, 1]), c(value, "float32")) for value in (0, 1.5, -np.inf, [2])),
        case("Pad", x(B, 3, 5, 6), c([0, 1, 1, 2, 0, 0, 2, 1]), c(-1, "float32")), case("Pad", x(2, 3, 4), c([1, 0, 0, 2, 0, 1])),
        case("Pad", x(2, 3, 4), c([1, 0, 0, 1, 0, 1]), mode="edge"), case("Pad", x(B, 3, 5, 6), c([0, 0, 4, 5, 0, 0, 4, 5]), mode="reflect"),
        case("Pad", x(B, 3, 5, 6), c([0, 0, 5, 6, 0, 0, 5, 6]), mode="wrap", _note="a whole round"), case("Pad", x(B, 3, 2, 2), c([0, 0, 3, 3, 0, 0, 3, 3]), mode="edge"),
        *(case("Pad", x(B, 4, 5, dtype=dtype), c([0, 0, 1, 0, 0, 2]), mode=mode) for dtype in ("float16", "float64", "int32", "int64") for mode in ("constant", "edge")),
        case("Pad", x(B, 4, 5, dtype="int64"), c([0, 0, 1, 0, 0, 2]), c(-7)), case("Pad", x(B, 4, 5, dtype="bool"), c([0, 0, 1, 0, 0, 2]), c(True, "bool")),
        case("Pad", x(B, 3, 5, 6), pads=[0, 0, 1, 2, 0, 0, 2, 1], value=0.5, _opset=9), case("Pad", x(B, 3, 5, 6), pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="reflect", _opset=9),
        *(case("Pad", x(B, 3, "h", "w"), c([0, 0, 1, 2, 0, 0, 2, 1]), mode=mode, _sizes={"batch": (2,), "h": (4, 5), "w": (5,)}) for mode in MODES),
        *(case("Pad", x(B, 3, 5, 6), c([0, 0, p, p, 0, 0, p, p]), x(), mode="constant") for p in (1, -1)),
        case("Pad", x(B, 4), c([0, 4, 0, 4]), mode="wrap"), case("Pad", x(B, 4), c([0, 9, 0, 5]), mode="wrap", _note="several rounds"),
        case("Pad", x(B, "n"), c([0, 9, 0, 5]), mode="wrap", _sizes={"batch": (2,), "n": (1, 4, 12)}), case("Pad", x(B, 1), c([0, 2, 0, 2]), mode="edge"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_reflecting_more_than_there_is_is_refused() -> None:
    with pytest.raises(Unsupported, match="'reflect' by 9 needs more than the 4 elements of axis 1"):
        converter.convert(ir.from_proto(case("Pad", x(B, 4), c([0, 9, 0, 5]), mode="reflect").model()), verify=False)
