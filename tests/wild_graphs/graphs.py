"""A whole graph: one to three inputs, 3 to 12 operators, one to three outputs."""

from __future__ import annotations

from typing import Any

import onnx
from hypothesis import assume
from hypothesis import strategies as st
from onnx import helper

from tests.wild_graphs import axes, computing, elementwise, special
from tests.wild_graphs.drawing import OPSET, Drawing

FEWEST, MOST = 3, 12
SHAPES: tuple[tuple[int | str, ...], ...] = (
    ("batch", 4, "h", "w"), ("batch", 3, 6, 8), ("batch", 2, 8, 6), ("batch", "length", 4), ("batch", 4, "length"),
    ("length", "batch", 3), ("batch", 6), ("batch",), (2, 3, 4), (1, 4, 5, 5), (5,), ("batch", 2, 3, 4, 5),
    (3, "length"),
)  # fmt: skip
DTYPES = ("float32", "float32", "float32", "int64", "int32", "bool")
OPERATIONS = (*elementwise.DRAWN, *axes.DRAWN, *computing.DRAWN, *special.DRAWN)


@st.composite
def graphs(draw: Any) -> onnx.ModelProto:
    """A model that onnxruntime runs at each of SIZES."""
    # A generator of its own: hypothesis would draw what is simple again and again. outcome.py makes failures small.
    d = Drawing(draw(st.randoms(use_true_random=True)))
    shape = d.pick(SHAPES)
    d.values.append(d.input(shape, "float32"))
    for _ in range(d.whole(0, 2)):
        d.values.append(d.input(shape if d.yes() else d.pick(SHAPES), d.pick(DTYPES)))
    x = d.values[0]
    wanted = d.whole(FEWEST, MOST)
    for _ in range(3 * MOST):
        if len(d.nodes) >= wanted:
            break
        made = d.pick(OPERATIONS)(d, x)
        if made:
            d.values += made
        x = made[-1] if made and d.whole(0, 3) else d.pick(d.values)
    results = [value for value in d.values if not value.name.startswith("x")]
    assume(results)
    outputs = {value.name: value for value in [results[-1], *(d.pick(results) for _ in range(d.whole(0, 2)))]}
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.arrays[0].dtype), None)
        for name, value in outputs.items()
    ]
    graph = helper.make_graph(d.nodes, "wild", d.inputs, ports, d.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)
