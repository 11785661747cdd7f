"""GridSample through the whole converter, against onnxruntime."""

from __future__ import annotations

from itertools import product

import pytest

from tests.op_cases import Case, case, w, x
from tests.op_checks import check, parameters

B = "batch"
PADDINGS = ("zeros", "border", "reflection")
GRID = x(B, 4, 3, 2, draw="normal")

CASES = {
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
    ]
}


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
