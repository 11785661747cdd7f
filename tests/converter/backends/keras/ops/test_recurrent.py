"""Recurrent nets against onnxruntime: kinds, directions, states, lengths, layouts."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.harness import check_onnx
from tests.op_cases import Case, case, w, x
from tests.op_checks import check, parameters

B = "batch"
CASES = {
    f"keraport::{kind}": [
        case(kind, x(5, B, 3), w(1, gates * 4, 3), w(1, gates * 4, 4), w(1, gates * 8), hidden_size=4),
        case(kind, x(5, B, 3), w(2, gates * 4, 3), w(2, gates * 4, 4), hidden_size=4, direction="bidirectional"),
        case(kind, x("n", B, 3), w(1, gates * 4, 3), w(1, gates * 4, 4), hidden_size=4, direction="reverse", _sizes={B: (2,), "n": (1, 4)}),
    ]
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1))
}  # fmt: skip
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
TIME, INPUT, HIDDEN = 5, 3, 4


def model(
    kind: str,
    direction: str = "forward",
    *,
    states: bool = False,
    lengths: bool = False,
    bias: bool = True,
    layout: int = 0,
    outputs: str = "y h c",
    time: int | str = TIME,
    **attributes: Any,
) -> onnx.ModelProto:
    """One recurrent operator; states and lengths are inputs of the graph."""
    draw = np.random.default_rng(0)
    directions, gates = (2 if direction == "bidirectional" else 1), GATES[kind]
    batch_first = (lambda *shape: [shape[1], shape[0], *shape[2:]]) if layout else (lambda *shape: list(shape))

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(draw.normal(size=shape).astype(np.float32) / 2, name)

    weights = [weight("w", directions, gates * HIDDEN, INPUT), weight("r", directions, gates * HIDDEN, HIDDEN)]
    weights += [weight("b", directions, 2 * gates * HIDDEN)] * bias
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, batch_first(time, "batch", INPUT))
    inputs, given = [x], ["x", "w", "r", "b" if bias else ""]
    if lengths:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]))
    given.append("lengths" if lengths else "")
    for name in ("h0", "c0")[: (2 if kind == "LSTM" else 1) * states]:
        shape = ["batch", directions, HIDDEN] if layout else [directions, "batch", HIDDEN]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        given.append(name)
    known = ("y", "h", "c")[: 3 if kind == "LSTM" else 2]
    made = [name if name in outputs.split() else "" for name in known]
    node = helper.make_node(
        kind, given, made, name="net", hidden_size=HIDDEN, direction=direction, layout=layout, **attributes
    )
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made if name]
    graph = helper.make_graph([node], "g", inputs, ends, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


SIZES = {"batch": (1, 3)}


@pytest.mark.parametrize(
    ("kind", "direction", "outputs"),
    product(GATES, ("forward", "reverse", "bidirectional"), ("y h c", "y", "h")),
)
def test_directions_and_outputs(kind: str, direction: str, outputs: str) -> None:
    check_onnx(model(kind, direction, outputs=outputs), sizes=SIZES, seeds=(0, 1))


@pytest.mark.parametrize(("kind", "direction"), product(GATES, ("forward", "reverse", "bidirectional")))
def test_initial_states(kind: str, direction: str) -> None:
    check_onnx(model(kind, direction, states=True), sizes=SIZES)


@pytest.mark.parametrize(("kind", "direction"), product(GATES, ("forward", "reverse", "bidirectional")))
def test_rows_of_different_lengths(kind: str, direction: str) -> None:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(TIME, 3, INPUT)).astype(np.float32)
    check_onnx(model(kind, direction, lengths=True), feeds=[{"x": x, "lengths": np.array([5, 2, 4], np.int32)}])


@pytest.mark.parametrize("kind", GATES)
def test_other_forms(kind: str) -> None:
    check_onnx(model(kind, bias=False), sizes=SIZES)
    check_onnx(model(kind, "bidirectional", time="time"), sizes={**SIZES, "time": (1, 7)})
    more = {"LSTM": ["Relu"], "GRU": [], "RNN": []}[kind]
    first = ["Sigmoid"] if kind != "RNN" else []
    check_onnx(model(kind, activations=[*first, "Relu", *more]), sizes=SIZES)


def test_a_gru_that_resets_after_its_product() -> None:
    for direction in ("forward", "bidirectional"):
        check_onnx(model("GRU", direction, linear_before_reset=1), sizes=SIZES)


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)
