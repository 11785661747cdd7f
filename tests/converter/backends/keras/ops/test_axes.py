"""Reshape, Transpose, Concat, Split, Expand and their like through the whole converter, against onnxruntime."""

from __future__ import annotations

import pytest

from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
OPEN = {"batch": (2,), "h": (3, 5), "w": (4,)}
DTYPES = ("float16", "float64", "int32", "int64", "bool")

CASES = {
    "keraport::Regroup": [
        case("Reshape", x(B, "h", "w", 12), c([0, 0, 0, 3, 4]), _sizes=OPEN), case("Reshape", x(B, "h", "w", 3, 4), c([0, 0, 0, 12]), _sizes=OPEN),
        case("Reshape", x(B, "h", "w", 6, 4), c([0, 0, 0, 3, 8]), _sizes=OPEN),
        case("Reshape", x(B, "h", "w", 3, 2, 4), c([0, 0, 0, 24]), _sizes=OPEN), case("Reshape", x(B, "h", "w", 24), c([0, 0, 0, 3, 2, 4]), _sizes=OPEN),
    ],
    "keraport::ReshapeTo": [
        case("Reshape", x(B, "h", "w", 4), c([0, 0, -1]), _sizes=OPEN), case("Reshape", x(B, "h", "w", 4), c([0, 0, -1, 2]), _sizes=OPEN),
        case("Reshape", x("h", "w", 2, 6), c([0, -1, 3]), _sizes=OPEN | {"batch": (1,)}), case("Reshape", x(B, "h", "w", 4, dtype="int64"), c([0, 0, -1, 2]), _sizes=OPEN),
    ],
    "Reshape": [
        *(case("Reshape", x(B, 3, 4, 5), c(target))
          for target in ([0, -1], [0, 60], [-1, 60], [0, 3, 20], [0, 12, 5], [0, 0, -1], [0, 3, -1], [0, -1, 5], [-1, 5],
                         [-1, 3, 4, 5, 1], [0, 1, 3, 4, 5], [0, 3, 2, 2, 5], [0, 4, 3, 5], [0, 5, 4, 3], [0, 6, 10],
                         [0, 0, 20, 1], [-1], [3, -1, 5], [0, 0, 0, 0], [1, -1, 3, 4, 5], [5, -1, 4], [0, 60, 1, 1])),
        *(case("Reshape", x(B, 60), c(target)) for target in ([0, 3, 4, 5], [-1, 5, 4, 3], [-1, 6], [0, 60, 1], [2, -1])),
        *(case("Reshape", x(B, 6, 4), c(target)) for target in ([0, 2, 3, 4], [0, 4, 6], [0, 24], [0, 6, 2, 2], [-1, 4])),
        *(case("Reshape", x(2, 3, 4, 5), c(target)) for target in ([6, 20], [120], [2, -1], [5, 4, 3, 2], [0, 0, 20])),
        *(case("Reshape", x(B, 3, 4, dtype=dtype), c([0, -1])) for dtype in DTYPES),
        case("Reshape", x(B), c([-1, 1])), case("Reshape", x(B, 1), c([-1])), case("Reshape", x(), c([1, 1])),
        case("Reshape", x(1, 1), c([], "int64")), case("Reshape", x(), c([-1])),
        case("Reshape", x(B, 3, 4, 5), c([0, -1]), allowzero=0), case("Reshape", x(B, 3, 2, 2, 2), c([0, 3, -1])),
        case("Reshape", x(B, 3, 2, 2, 2), c([0, -1])), case("Reshape", x(B, 4, 3, 3), c([0, 2, 2, 9]), _note="groups"),
        case("Reshape", x(B, 3, 4, "w"), c([0, 12, -1]), _sizes={"batch": (1, 3), "w": (2, 5)}),
        case("Reshape", x(B, 3, "h", "w"), c([0, 3, -1]), _sizes={"batch": (1, 3), "h": (2,), "w": (2, 5)}),
        case("Reshape", x(B, "w", 12), c([0, 0, 3, 4]), _sizes={"batch": (1, 3), "w": (2, 5)}), case("Reshape", x(B, "w", 12), c([0, 0, -1, 4]), _sizes={"batch": (1, 3), "w": (2, 5)}),
        case("Reshape", x(B, "w", 3, 4), c([0, 0, -1]), _sizes={"batch": (1, 3), "w": (2, 5)}), case("Reshape", x(B, 6, "w"), c([0, -1, 3, 2]), _sizes={"batch": (1, 3), "w": (2, 5)}),
        case("Flatten", x(B, 3, 4, 5)), case("Flatten", x(B, 3, 4, 5), axis=2), case("Flatten", x(2, 3, 4), axis=0),
        case("Flatten", x(B, 3, 4, 5), axis=-1), case("Flatten", x(B, 3, 4), axis=3), case("Flatten", x(B, 6)),
    ],
    "Transpose": [
        *(case("Transpose", x(B, 3, 4, 5), perm=perm)
          for perm in ([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [1, 0, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [0, 1, 2, 3])),
        *(case("Transpose", x(B, 3, 4), perm=perm) for perm in ([0, 2, 1], [1, 0, 2], [2, 1, 0], [1, 2, 0])),
        case("Transpose", x(B, 3)), case("Transpose", x(B, 3, 4)), case("Transpose", x(B, 3, 4, 2, 2), perm=[0, 3, 1, 4, 2]),
        *(case("Transpose", x(B, 3, 4, dtype=dtype), perm=[0, 2, 1]) for dtype in DTYPES),
        case("Squeeze", x(B, 3, 1, 1), c([2, 3])), case("Squeeze", x(B, 1, 4, 5), c([1])), case("Squeeze", x(1, 3, 1, 4)),
        case("Squeeze", x(B, 3, 1, 4), c([-2])), case("Squeeze", x(1, 3, 4), c([0])), case("Squeeze", x(1, 1)),
        case("Squeeze", x(B, 1, dtype="int64"), c([1])), case("Squeeze", x(B, 3, 1, 5), axes=[2], _opset=11),
        case("Unsqueeze", x(B, 3, 4), c([2])), case("Unsqueeze", x(B, 3, 4), c([0, -1])), case("Unsqueeze", x(), c([0])),
        case("Unsqueeze", x(B, 3, 4, 5), c([-1])), case("Unsqueeze", x(B, 3), c(1), _note="a scalar"), case("Unsqueeze", x(B, dtype="bool"), c([1, 2])),
        case("Unsqueeze", x(B, 3, 4), axes=[1, 3], _opset=11),
    ],
    "Squeeze": [
        case("Squeeze", x(B, "h", 1, "w"), c([2]), _sizes=OPEN), case("Squeeze", x(B, 1, "h", 1, "w"), c([1, -2]), _sizes=OPEN, _contexts="plain"),
        case("Squeeze", x(B, 1, "h", "w"), c([1]), _sizes=OPEN),
    ],
    "Unsqueeze": [
        case("Unsqueeze", x(B, "h", "w"), c([1]), _sizes=OPEN), case("Unsqueeze", x(B, "h", "w"), c([0, -1]), _sizes=OPEN), case("Unsqueeze", x(B, 3, "h", "w"), c([2]), _sizes=OPEN),
    ],
    "Concat": [
        *(case("Concat", x(B, 3, 4, 5), x(B, 3, 4, 5), axis=axis) for axis in (-4, -3, -2, -1, 0, 1, 2, 3)),
        case("Concat", x(B, 3, 4, 5), x(B, 2, 4, 5), x(B, 1, 4, 5), axis=1), case("Concat", x(B, 3, 4), axis=1),
        case("Concat", x(B, 3), x(B, 5), axis=1), case("Concat", x(B, 3), x(B, 3), axis=0), case("Concat", x(B, 3, 2), x(B, 3, 7), axis=-1),
        case("Concat", x(2, 3, 4, 5), w(2, 6, 4, 5), axis=1), case("Concat", w(2, 1, 4, 5), x(2, 3, 4, 5), axis=1),
        case("Concat", x(2, 3, 4, 5), w(2, 3, 2, 5), axis=2), case("Concat", w(1, 3, 4, 5), x(2, 3, 4, 5), w(2, 3, 4, 5), axis=0),
        case("Concat", x(B, 3, 2, 2, 2), x(B, 1, 2, 2, 2), axis=1),
        *(case("Concat", x(B, 3, 4, dtype=dtype), x(B, 2, 4, dtype=dtype), axis=1) for dtype in DTYPES),
        case("Concat", x(2, 3, dtype="int64"), c([[1, 2, 3], [4, 5, 6]]), axis=1),
    ],
    "Split": [
        *(case("Split", x(B, 6, 4, 8), axis=axis, num_outputs=2, _outputs=2) for axis in (1, 2, 3, -1)),
        case("Split", x(B, 6, 4, 5), c([1, 2, 3]), axis=1, _outputs=3), case("Split", x(B, 6, 4, 5), c([2, 3]), axis=3, _outputs=2),
        case("Split", x(B, 7, 4), axis=1, num_outputs=3, _outputs=3, _note="uneven"), case("Split", x(B, 7), c([5, 2]), axis=1, _outputs=2),
        case("Split", x(B, 3, 4, 5), c([3]), axis=1, _outputs=1), case("Split", x(4, 3), c([1, 3]), axis=0, _outputs=2),
        case("Split", x(B, 6, 4), c([2, 2, 2]), axis=1, _outputs=3, _used=2), case("Split", x(B, 6, 4), axis=1, _outputs=3, _opset=11),
        case("Split", x(B, 6, 4), axis=1, split=[1, 5], _outputs=2, _opset=11), case("Split", x(B, 6, 2, 2, 2), c([1, 5]), axis=1, _outputs=2),
        *(case("Split", x(B, 4, 3, dtype=dtype), c([1, 3]), axis=1, _outputs=2) for dtype in DTYPES),
        case("Split", x(B, 4, 3), c([0, 4]), axis=1, _outputs=2, _note="an empty part"),
    ],
    "keraport::Expand": [
        case("Expand", x(B, 3, 1, 1), c([1, 3, 4, 5])), case("Expand", x(B, 1, 4, 5), c([1, 3, 1, 1])), case("Expand", x(B, 1), c([1, 6])),
        case("Expand", x(3, 1), c([2, 3, 4])), case("Expand", x(B, 3, 4), c([1])), case("Expand", x(1, 3, 1), c([4, 3, 2])),
        case("Expand", x(), c([2, 3])), case("Expand", x(B, 3, 1, 5), c([4, 5])), case("Expand", x(B, 1, 4), c([2, 1, 3, 1])),
        *(case("Expand", x(B, 1, 4, dtype=dtype), c([1, 3, 1])) for dtype in DTYPES),
        case("Expand", x(B, 3, 1, 1, 1), c([1, 1, 2, 3, 2])), case("Expand", x(1, 1), c([3, 4])),
    ],
    "Tile": [
        *(case("Tile", x(B, 3, 4, 5), c(repeats)) for repeats in ([1, 2, 1, 1], [1, 1, 2, 3], [2, 1, 1, 1], [1, 2, 3, 2])),
        case("Tile", x(B, 3), c([1, 3])), case("Tile", x(B, 3, 4), c([1, 2, 1])), case("Tile", x(B, 1, 4), c([1, 5, 1])),
        case("Tile", x(B, 3, 4, 5), c([1, 1, 1, 1])), case("Tile", x(B), c([2])), case("Tile", x(B, 2, 3, 2, 2), c([1, 2, 1, 1, 2])),
        *(case("Tile", x(B, 3, 4, dtype=dtype), c([1, 2, 2])) for dtype in DTYPES),
    ],
    "nhwc::DepthToSpace": [
        *(case("DepthToSpace", x(B, channels, 3, 4), blocksize=size, mode=mode)
          for size, channels in ((2, 8), (2, 4), (3, 18)) for mode in ("DCR", "CRD")),
        case("DepthToSpace", x(B, 8, 3, 4), blocksize=2), case("DepthToSpace", x(B, 8, 3, 4), blocksize=2, _opset=9),
        case("DepthToSpace", x(B, 8, 3, 4, dtype="float16"), blocksize=2, mode="CRD"),
        *(case("DepthToSpace", x(B, 8, "h", "w"), blocksize=2, mode=mode, _sizes={"batch": (1, 2), "h": (2, 3), "w": (4,)})
          for mode in ("DCR", "CRD")),
    ],
    "nhwc::SpaceToDepth": [
        case("SpaceToDepth", x(B, 3, 4, 6), blocksize=2), case("SpaceToDepth", x(B, 2, 9, 3), blocksize=3),
        case("SpaceToDepth", x(B, 1, 4, 4), blocksize=4), case("SpaceToDepth", x(B, 3, 4, 6, dtype="float16"), blocksize=2),
        case("SpaceToDepth", x(B, 3, "h", "w"), blocksize=2, _sizes={"batch": (1, 2), "h": (2, 6), "w": (4,)}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
