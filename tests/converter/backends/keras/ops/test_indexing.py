"""Slices, gathers, scatters and other index operations through the whole converter, against onnxruntime."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from onnx import numpy_helper

from tests.op_cases import Case, c, case, w, x
from tests.op_checks import check, parameters

B = "batch"
END = 2**63 - 1
BEGIN = -(2**63)
DTYPES = ("float16", "float64", "int32", "int64", "bool")


def slices(axis: int) -> list[Case]:
    """Of 6 elements: from the front, from the back, past either end, with steps of both signs."""
    borders = [
        (0, 3, 1), (1, END, 1), (-2, END, 1), (0, -1, 1), (2, 5, 2), (1, 100, 2), (0, 6, 3), (-100, 4, 1), (-4, -1, 2),
        (-1, -100, -1), (END, BEGIN, -1), (5, 1, -2), (-2, -5, -1), (4, BEGIN, -3), (100, 0, -1), (3, 2**31 - 1, 1),
        (-1, -(2**31), -1), (0, 6, 1), (1, 2, 5),
    ]  # fmt: skip
    return [case("Slice", x(B, 6, 6, 6), c([a]), c([b]), c([axis]), c([step])) for a, b, step in borders]


class Rolled(Case):
    """What is behind `place` modulo the size of an axis, then what is before: no single node says that."""

    def model(self, context: str = "plain") -> onnx.ModelProto:
        axis = self.attributes["axis"]
        return _several(
            self,
            f"""n = Shape<start={axis}, end={axis + 1}>(x0) p = Mod(c1, n) a = Slice(x0, p, n, c2)
            b = Slice(x0, c3, p, c2) y0 = Concat<axis={axis}>(a, b)""",
            {"c1": self.inputs[1], "c2": c([axis]), "c3": c([0])},
        )


class LookedUp(Case):
    """Rows of a table at indices that are 0 at least."""

    def model(self, context: str = "plain") -> onnx.ModelProto:
        model = _several(self, "i = Clip(x0, c2) y0 = Gather(c1, i)", {"c1": self.inputs[1], "c2": c(0)})
        model.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="y0"))
        return model


class Ordered(Case):
    """TopK of as many as there are."""

    def model(self, context: str = "plain") -> onnx.ModelProto:
        axis, largest = self.attributes["axis"], self.attributes["largest"]
        count = f"n = Shape<start={axis}, end={axis + 1}>(x0)"
        return _several(self, f"{count} y0, y1 = TopK<axis={axis}, largest={largest}>(x0, n)", {})


def _several(case: Case, body: str, constants: dict[str, Any]) -> onnx.ModelProto:
    """A graph of one live input from the text of its nodes."""
    (live,) = case.live.values()
    shape, dtype = ", ".join(map(str, live.shape)), live.dtype.replace("float32", "float")
    outputs = ", ".join(
        f"{'int64' if i else dtype}[{', '.join('abc'[: len(live.shape)])}] y{i}" for i in range(case.outputs)
    )
    model = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": {case.opset}]> g ({dtype}[{shape}] x0) => ({outputs}) {{ {body} }}'
    )
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    return model


def rolled(place: int, axis: int, *shape: int | str) -> Case:
    return Rolled("Concat", (x(*shape), c([place])), {"axis": axis}, contexts=("plain",), sizes=LENGTHS)


def ordered(axis: int, *shape: int | str, largest: int, dtype: str = "float32") -> Case:
    live = x(*shape, dtype=dtype, draw="small")
    return Ordered("TopK", (live,), {"axis": axis, "largest": largest}, outputs=2, contexts=("plain",), sizes=LENGTHS)


LENGTHS = {"batch": (2,), "t": (1, 3, 7)}

CASES = {
    "keraport::Embedding": [
        LookedUp("Gather", (x(*shape, dtype="int64", draw="index:9"), w(9, 4)), contexts=("plain",), sizes=LENGTHS)
        for shape in ((B, 5), ("t",), (B, "t", 3))
    ],
    "keraport::Roll": [
        *(rolled(place, 1, B, "t", 3) for place in (0, 1, 3, -2, 9)), rolled(2, 2, B, 3, "t"),
    ],
    "keraport::Sort": [
        *(ordered(1, B, "t", largest=largest, dtype=dtype) for largest in (0, 1) for dtype in ("float32", "int64")),
        ordered(1, B, "t", 3, largest=1), ordered(2, B, 3, "t", largest=0),
    ],
    "keraport::CumProd": [
        *(case("CumProd", x(B, 3, 4, 5), c(axis), exclusive=e, reverse=r, _opset=26) for axis in (1, 2, -1) for e in (0, 1) for r in (0, 1)),
        case("CumProd", x(B, "t"), c(1), _opset=26, _sizes=LENGTHS), case("CumProd", x(B, 6, dtype="int32"), c(-1, "int32"), _opset=26),
    ],
    "ReverseSequence": [
        case("ReverseSequence", x(6, 2, 5), c([3, 6])), case("ReverseSequence", x(B, 6, 3), x(B, dtype="int64", draw="below:7"), batch_axis=0, time_axis=1, _contexts="plain", _sizes={"batch": (2, 3)}),
        case("ReverseSequence", x(6, 2), c([1, 4]), _contexts="plain"),
    ],
    "EyeLike": [
        case("EyeLike", x(4, 6)), case("EyeLike", x(B, 5), k=2, _sizes={"batch": (2, 6)}), case("EyeLike", x(5, 3), k=-1, dtype=7), case("EyeLike", x(3, 3, dtype="int32")),
    ],
    "Slice": [
        *slices(1), *slices(3)[::3], *slices(2)[::4],
        case("Slice", x(B, 6, 5), c([1, 0]), c([4, END]), c([1, 2])), case("Slice", x(B, 6, 5), c([0, 1]), c([END, 4])),
        case("Slice", x(B, 6, 5), c([1, -3]), c([END, -1]), c([-2, -1]), c([2, 1])), case("Slice", x(B, 6), c([2]), c([4]), c([1])),
        case("Slice", x(B, 6, 5), c([1]), c([END]), c([0]), _sizes={"batch": (2, 3)}),
        case("Slice", x(B, 6, 5), c([-1]), c([BEGIN]), c([0]), c([-1]), _note="reversed batch"),
        case("Slice", x(B, 6, 5), c([0]), c([END]), c([0]), c([2])), case("Slice", x(B, 6, 5), c([0]), c([-1]), c([0]), _sizes={"batch": (2, 4)}),
        case("Slice", x(B, 6, 4, 2, 2), c([1, 0], "int32"), c([5, 1], "int32"), c([1, 4], "int32")),
        *(case("Slice", x(B, 6, 5, dtype=dtype), c([4]), c([0]), c([1]), c([-2])) for dtype in DTYPES),
        *(case("Slice", x(B, 3, "w"), c([a]), c([b]), c([2]), c([s]), _sizes={"batch": (2,), "w": (5, 8)})
          for a, b, s in ((1, END, 1), (0, -2, 2), (-3, END, 1), (END, BEGIN, -1), (-2, BEGIN, -2), (1, 4, 1), (0, END, 2), (4, 0, -1))),
        case("Slice", x(B, 6, 5), starts=[1], ends=[3], axes=[1], _opset=9), case("Slice", x(B, 6, 5), c([2]), c([2]), c([1]), _note="empty"),
    ],
    "Gather": [
        *(case("Gather", x(B, 6, 4, 5), c(i), axis=1) for i in (0, -1, 3, [0], [1, 3, 5], [-1, 0], [5, 4, 3], [0, 0], [[0, 1], [2, 3]], [0, 1, 2, 3, 4, 5])),
        *(case("Gather", x(B, 3, 6, 5), c(i), axis=axis) for axis in (2, 3, -1) for i in (1, [0, -2], [[0], [2]])),
        case("Gather", x(B, 3, 4), c(0), axis=0), case("Gather", x(B, 3, 4), c([0, -1]), axis=0), case("Gather", x(B), c(0), axis=0),
        case("Gather", x(B, 6), c([1, 3, 5], "int32"), axis=1), case("Gather", x(B, 6, dtype="int64"), c([2, 0]), axis=1),
        case("Gather", w(7, 4), x(B, 3, dtype="int64", draw="index:7"), axis=0), case("Gather", w(7, 4), x(B, dtype="int32", draw="index:7"), axis=0),
        case("Gather", w(7, 4), x(dtype="int64", draw="index:7"), axis=0), case("Gather", w(7, 40), x(B, 2, 3, dtype="int64", draw="index:7"), axis=0),
        case("Gather", w(7), x(B, 3, dtype="int64", draw="index:7"), axis=0), case("Gather", w(4, 7), x(B, 3, dtype="int64", draw="index:7"), axis=1),
        case("Gather", w(7, 2, 3), x(B, dtype="int64", draw="index:7"), axis=0), case("Gather", w(2, 7, 3), x(B, dtype="int64", draw="index:7"), axis=1),
        case("Gather", w(7, 4, dtype="float16"), x(B, 3, dtype="int64", draw="index:7"), axis=0),
        case("Gather", w(7, 4, dtype="int64"), x(B, 3, dtype="int64", draw="index:7"), axis=0),
        case("Gather", x(B, 6, 4), x(dtype="int64", draw="index:6"), axis=1), case("Gather", x(B, 6, 4), x(3, dtype="int64", draw="index:6"), axis=1),
        case("Gather", x(5, 6, 4), x(B, 3, dtype="int64", draw="index:5"), axis=0), case("Gather", x(B, 6, 4, 5), x(2, 2, dtype="int32", draw="index:5"), axis=3),
        case("Gather", x(B, 6, 4, 5), x(3, dtype="int32", draw="index:6"), axis=1),
        *(case("Gather", x(B, 6, 5, dtype=dtype), c([4, 0, -3]), axis=1) for dtype in DTYPES),
        case("Gather", x(B, 3, "w"), c([0, -1]), axis=2, _sizes={"batch": (2,), "w": (5, 8)}),
        *(case("Gather", x(B, 2, 2, 2, 2, 3, 2, 2, 5), c(i), axis=axis, _note="nine axes") for axis, i in ((5, 1), (8, [1, 3]), (7, [0]))),
        case("Gather", x(B, 3, "w"), c(-1), axis=2, _sizes={"batch": (2,), "w": (5, 8)}),
    ],
    "keraport::ReversibleEmbedding": [
        case("Gather", w(9, 4), x(B, 5, dtype="int64", draw="index:9"), _contexts="tied"), case("Gather", w(9, 4), x("t", dtype="int64", draw="index:9"), _contexts="tied", _sizes={"t": (1, 6)}),
        case("Gather", w(9, 4), x(B, 2, 3, dtype="int32", draw="below:9"), _contexts="tied"), case("Gather", w(9, 4, dtype="float16"), x(B, 5, dtype="int64", draw="index:9"), _contexts="tied"),
    ],
    "GatherElements": [
        *(case("GatherElements", x(B, 6, 6, 6), x(B, 6, 6, 6, dtype="int64", draw="index:6"), axis=axis) for axis in (1, 2, 3, -1)),
        case("GatherElements", x(B, 6, 4), x(B, 2, 4, dtype="int64", draw="index:6"), axis=1),
        case("GatherElements", x(3, 4), c([[0, 1], [2, -1]]), axis=1), case("GatherElements", x(3, 4), c([[0, 1, 2, 0]]), axis=0),
        case("GatherElements", w(3, 4), x(2, 4, dtype="int64", draw="index:3"), axis=0),
        case("GatherElements", x(3, 4, 5), x(2, 3, 2, dtype="int64", draw="index:4"), axis=1, _note="smaller than the data"),
        case("GatherElements", x(B, 6, dtype="int64"), x(B, 3, dtype="int32", draw="index:6"), axis=1),
    ],
    "CumSum": [
        *(case("CumSum", x(B, 3, 4, 5), c(axis), exclusive=e, reverse=r) for axis in (1, 2, -1) for e in (0, 1) for r in (0, 1)),
        case("CumSum", x(B, 6), c(1)), case("CumSum", x(B, 6, dtype="int64"), c(1, "int32")), case("CumSum", x(B, 6, dtype="int32"), c([1])),
        case("CumSum", x(B, 6, dtype="float64"), c(-1), exclusive=1), case("CumSum", x(B, 3), c(0)),
    ],
    "TopK": [
        *(case("TopK", x(B, 8, draw="distinct"), c([k]), largest=largest, _outputs=2) for k in (1, 3, 8) for largest in (0, 1)),
        case("TopK", x(B, 3, 8, draw="distinct"), c([3]), axis=2, _outputs=2), case("TopK", x(B, 3, 8, draw="small"), c([3]), _outputs=2, _note="ties"),
        case("TopK", x(B, 3, 8, draw="small"), c([3]), largest=0, _outputs=2, _note="ties"),
        case("TopK", x(B, 8, 3, draw="distinct"), c([3]), axis=1, _outputs=2), case("TopK", x(B, 3, 4, 5, draw="distinct"), c([2]), axis=1, _outputs=2),
        case("TopK", x(B, 3, 4, 5, draw="distinct"), c([2]), axis=2, largest=0, _outputs=2), case("TopK", x(8, 3, draw="distinct"), c([2]), axis=0, _outputs=2),
        case("TopK", x(B, 8, dtype="int64", draw="distinct"), c([3]), largest=0, _outputs=2), case("TopK", x(B, 8, dtype="int32", draw="distinct"), c([3]), _outputs=2),
        case("TopK", x(B, 8, draw="distinct"), c([3]), _outputs=2, _used=1), case("TopK", x(B, 8, dtype="float64", draw="distinct"), c([3]), _outputs=2),
    ],
    "GatherND": [
        case("GatherND", x(B, 3, 4, 5), c([[0, 1], [0, -1]])), case("GatherND", x(4, 3, B, 5), c([[3, 1], [0, -1]]), _contexts="plain"), case("GatherND", x(4, B, 5), c([[3], [0]]), _contexts="plain"), case("GatherND", x(2, 3, 4), x(B, 5, 2, dtype="int64", draw="index:2")),
        case("GatherND", x(2, 3, 4), x(B, 1, dtype="int64", draw="index:2")), case("GatherND", x(2, 3, 4), x(B, 3, dtype="int64", draw="below:2")),
        case("GatherND", x(2, 3, 4), c([[[1], [0]], [[0], [1]]])), case("GatherND", x(B, 3, 4), x(B, 5, 1, dtype="int64", draw="index:3"), batch_dims=1),
        case("GatherND", x(B, 3, 4), x(B, 5, 2, dtype="int64", draw="index:3"), batch_dims=1), case("GatherND", x(B, 3, 4), x(B, 1, dtype="int64", draw="index:3"), batch_dims=1),
        case("GatherND", x(B, 3, 4, 5), x(B, 3, 2, 1, dtype="int64", draw="index:4"), batch_dims=2), case("GatherND", w(3, 4), x(B, 2, dtype="int64", draw="index:3")),
    ],
    "OneHot": [
        case("OneHot", x(B, 3, dtype="int64", draw="index:5"), c(5), c([0, 1], "float32")), case("OneHot", x(B, dtype="int64", draw="index:9"), c([5]), c([-1, 2], "float32")),
        *(case("OneHot", x(B, 3, dtype="int64", draw="below:5"), c(5), c([0, 1], "float32"), axis=axis) for axis in (0, 1, 2, -2)),
        case("OneHot", x(B, 3, dtype="int64", draw="below:5"), c(5), c([0, 1])), case("OneHot", x(B, 3, dtype="int64", draw="below:5"), c(5), x(2)),
    ],
    "Trilu": [
        *(case("Trilu", x(B, 4, 5), c(k), upper=upper) for upper in (0, 1) for k in (-6, -1, 0, 2, 6)), case("Trilu", x(B, 4, 5)), case("Trilu", x(4, 4)),
        *(case("Trilu", x(B, "m", "n"), c(k), upper=upper, _sizes={"batch": (2,), "m": (1, 4), "n": (1, 5)}) for upper in (0, 1) for k in (-2, 0, 1)),
        case("Trilu", x(B, 2, 4, 5), c([1])), case("Trilu", x(B, 4, 5, dtype="int64"), c(1)), case("Trilu", x(B, 4, 5, dtype="bool"), c(1), upper=0),
    ],
    "ScatterND": [
        case("ScatterND", x(4, B, 5), c([[1], [-1]]), x(2, B, 5), _contexts="plain"),
        case("ScatterND", x(4, 3), c([[1], [3]]), x(2, 3)), case("ScatterND", x(4, 3), c([[1, 0], [-1, 2]]), x(2)), case("ScatterND", x(4, 3), c([[1], [3]]), w(2, 3)),
        case("ScatterND", w(4, 3), c([[1], [3]]), x(2, 3)), case("ScatterND", x(4, 3, 5), c([[[1, 0]], [[2, 2]]]), x(2, 1, 5)),
        case("ScatterND", x(B, 3, 5), c([[0], [0]])[:1], x(1, 3, 5)), case("ScatterND", x(4, 3), x(2, 1, dtype="int64", draw="index:1"), w(2, 3), reduction="add"),
        *(case("ScatterND", x(4, 3), c([[1], [3], [1]]), x(3, 3), reduction=r) for r in ("add", "mul", "max", "min")),
        case("ScatterND", x(4, 3, dtype="int64"), c([[1], [3]]), x(2, 3, dtype="int64")), case("ScatterND", x(4, 3, dtype="float16"), c([[1]]), x(1, 3, dtype="float16")),
        case("ScatterND", x(4, 3, dtype="bool"), c([[1]]), x(1, 3, dtype="bool")),
    ],
    "ScatterElements": [
        *(case("ScatterElements", x(B, 4, 4, 5), c([[[[1], [2]], [[-1], [0]]]] * 1), x(1, 2, 2, 1), axis=axis) for axis in (1, 2)),
        case("ScatterElements", x(3, 4), c([[1, 0], [2, -1]]), x(2, 2), axis=1), case("ScatterElements", x(3, 4), c([[1, 0], [2, -1]]), x(2, 2), axis=0),
        *(case("ScatterElements", x(B, 6), x(B, 2, dtype="int64", draw="index:6"), x(B, 2), axis=1, reduction=r) for r in ("add", "mul", "max", "min")),
        case("ScatterElements", x(3, 4), c([[1, 0], [2, -1]]), w(2, 2), axis=1), case("ScatterElements", w(3, 4), c([[1, 0], [2, -1]]), x(2, 2), axis=1),
        case("ScatterElements", x(B, 6, dtype="int64"), x(B, 1, dtype="int64", draw="index:6"), x(B, 1, dtype="int64"), axis=1),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
