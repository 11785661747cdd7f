"""Sizes as numbers, through the whole converter, against onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import pytest
from onnx import helper, numpy_helper

from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

B = "batch"
LENGTHS = {"batch": (1, 3), "t": (1, 4)}
IMAGES = {"batch": (2,), "h": (3, 4), "w": (5,)}


@dataclass(frozen=True)
class Counted(Case):
    """Range from 0 to the last size of the input: no single node says that."""

    def model(self, context: str = "plain") -> onnx.ModelProto:
        model = super().model(context)
        (shape,), size = model.graph.node, model.graph.node[-1].output[0]
        shape.output[0] = "size"
        numbers = {"none": c([0]), "zero": c(0), "one": c(1)}
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in numbers.items())
        model.graph.node.append(helper.make_node("Squeeze", ["size", "none"], ["limit"]))
        model.graph.node.append(helper.make_node("Range", ["zero", "limit", "one"], [size]))
        model.graph.output[0].CopyFrom(onnx.ValueInfoProto(name=size))
        return onnx.shape_inference.infer_shapes(model)


class Between(Counted):
    """Range from 0 to the last size less the one before it, which no tensor has and no joining makes."""

    def model(self, context: str = "plain") -> onnx.ModelProto:
        model = super().model(context)
        *before, counting = model.graph.node
        counting.input[1] = "between"
        more = [
            helper.make_node("Shape", ["x0"], ["other"], start=1, end=2),
            helper.make_node("Squeeze", ["other", "none"], ["first"]),
            helper.make_node("Sub", ["limit", "first"], ["between"]),
        ]
        graph = helper.make_graph(
            [*before, *more, counting],
            "between",
            model.graph.input,
            [onnx.ValueInfoProto(name=counting.output[0])],
            model.graph.initializer,
        )
        made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        return onnx.shape_inference.infer_shapes(made)


def counted(*shape: int | str, dtype: str = "float32") -> Case:
    return Counted("Shape", (x(*shape, dtype=dtype),), {"start": len(shape) - 1}, contexts=("plain",), sizes=LENGTHS)


CASES = {
    "keraport::ExpandTo": [
        Between("Shape", (x(B, "h", "t"),), {"start": 2}, contexts=("plain",), sizes={"batch": (2,), "h": (2, 3), "t": (3, 7)}),
    ],
    "Shape": [
        *(case("Shape", x(B, 3, "t", dtype=dtype), _sizes=LENGTHS) for dtype in ("float32", "int64", "bool")),
        case("Shape", x(B, 3, "t"), start=1, _sizes=LENGTHS), case("Shape", x(B, 3, "t"), start=-1, _sizes=LENGTHS),
        case("Shape", x(B, 3, "t"), end=-1, _sizes=LENGTHS), case("Shape", x(B, 3, "t"), start=0, end=1, _sizes=LENGTHS),
        case("Shape", x(B, 2, "h", "w"), _sizes=IMAGES), case("Shape", x(B, 2, "h", "w"), start=2, _sizes=IMAGES),
        case("Shape", x(B)),
    ],
    "Size": [
        case("Size", x(B, 3, "t"), _sizes=LENGTHS), case("Size", x(B, "t", dtype="int64"), _sizes=LENGTHS), case("Size", x(B)),
        case("Size", x(B, 2, "h", "w"), _sizes=IMAGES),
    ],
    "keraport::Counted": [
        case("Range", c(0), x(dtype="int64", draw="below:7"), c(2), _contexts="plain"),
        case("Range", c(0), x(dtype="int64"), c(1)),
        case("ConstantOfShape", x(2, dtype="int64", draw="below:5"), _contexts="plain"),
    ],
    "keraport::Positions": [counted(B, "t"), counted(B, 3, "t"), counted(B, "t", dtype="int64"), counted(B, "t", dtype="bool")],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
