"""Dropout: nothing in inference, and the layer of the rate for who trains on."""

from __future__ import annotations

import pytest

from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

B = "batch"
CASES = {
    "keraport::Dropout": [
        case("Dropout", x(B, 3, 4, 5), c(0.25, "float32")), case("Dropout", x(B, 5)), case("Dropout", x(B, 3, 4), c(0.9, "float32"), c(False, "bool")),
        case("Dropout", x(B, 3, 4, 5, dtype="float16"), c(0.5, "float32")), case("Dropout", x(B, 3, 4, 5), c(0.0, "float32")), case("Dropout", x(B, 4, 5), ratio=0.3, _opset=9),
        case("Dropout", x(B, 3, 4, 5), c(0.25, "float32"), _outputs=2, _used=1), case("Dropout", x(B, "h", "w", 2), _sizes={"batch": (1, 2), "h": (3,), "w": (2, 5)}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
