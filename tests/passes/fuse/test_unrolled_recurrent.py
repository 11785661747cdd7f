"""Recurrent nets of odd forms, written out: equal to onnxruntime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from converter.errors import BadSource, Unsupported
from tests.harness import check_onnx

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
LENGTHS = np.array([4, 2, 1], np.int32)
STATE = np.full((1, 3, 3), 0.5, np.float32)
THREE = {"batch": (3,)}


def net(
    kind: str, *, given: str = "", time: int | str = 4, more: dict[int, Any] | None = None, **attributes: Any
) -> onnx.ModelProto:
    """A net of three units; `given` names the inputs that are live: of "w", "r" and "b"."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    generator = np.random.default_rng(len(str(attributes)))
    gates = GATES[kind] * 3
    shapes = {"w": (directions, gates, 5), "r": (directions, gates, 3), "b": (directions, 2 * gates)}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [time, "batch", 5])]
    constants = []
    for name, shape in shapes.items():
        if name in given:
            inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        else:
            constants.append(numpy_helper.from_array(generator.standard_normal(shape).astype(np.float32), name))
    names = ["x", "w", "r", "b"]
    for place, array in sorted((more or {}).items()):
        names += [""] * (place - len(names))
        names.append(f"more{place}")
        constants.append(numpy_helper.from_array(array, names[-1]))
    outputs = ["y", "h", "c"] if kind == "LSTM" else ["y", "h"]
    node = helper.make_node(kind, names, outputs, name="net", hidden_size=3, **attributes)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph([node], "g", inputs, ports, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def peepholes(directions: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(5).standard_normal((directions, 9)).astype(np.float32)


Form = tuple[str, dict[str, Any]]


def form(kind: str, **told: Any) -> Form:
    return kind, told


CASES: dict[str, Form] = {
    "clip": form("LSTM", clip=0.3),
    "clipped GRU": form("GRU", clip=0.3, linear_before_reset=1),
    "coupled": form("LSTM", input_forget=1),
    "peepholes": form("LSTM", more={7: peepholes()}),
    "peepholes, both": form("LSTM", direction="bidirectional", more={7: peepholes(2)}),
    "states": form("LSTM", clip=0.5, more={5: STATE, 6: -STATE}),
    "one state": form("LSTM", more={6: STATE}),
    "live weights": form("GRU", given="wrb"),
    "live bias": form("GRU", given="b", linear_before_reset=1, direction="reverse"),
    "live kernel": form("LSTM", given="w", direction="bidirectional"),
    "live RNN": form("RNN", given="wr", direction="bidirectional"),
    "parameters": form("RNN", activations=["LeakyRelu"], activation_alpha=[0.3]),
    "affine": form("RNN", activations=["Affine"], activation_alpha=[0.5], activation_beta=[0.1]),
    "scaled": form(
        "GRU", activations=["HardSigmoid", "ScaledTanh"], activation_alpha=[0.3, 1.5], activation_beta=[0.4, 0.5]
    ),
    "each its own": form("GRU", direction="bidirectional", activations=["Sigmoid", "Tanh", "Sigmoid", "Relu"]),
    "cell and output": form("LSTM", activations=["Sigmoid", "Tanh", "Relu"]),
    "lengths": form("LSTM", clip=0.5, more={4: LENGTHS}),
    "lengths, back": form("GRU", given="w", direction="bidirectional", more={4: LENGTHS}),
}  # fmt: skip


def sizes(name: str) -> dict[str, tuple[int, ...]]:
    has_rows = {4, 5, 6} & CASES[name][1].get("more", {}).keys()
    return THREE if has_rows else {"batch": (1, 3)}


@pytest.mark.parametrize("name", CASES)
def test_equals_onnxruntime(name: str) -> None:
    kind, told = CASES[name]
    checked = check_onnx(net(kind, **told), sizes=sizes(name))
    assert "Loop" not in [type(layer).__name__ for layer in checked.model.layers]


@pytest.mark.parametrize(("name", "time"), [*((name, "time") for name in CASES), ("clip", 65), ("lengths, back", 65)])
def test_long_or_open_ones_are_loops(name: str, time: int | str) -> None:
    kind, told = CASES[name]
    checked = check_onnx(net(kind, time=time, **told), sizes={**sizes(name), "time": (4, 7)})
    assert "Loop" in [type(layer).__name__ for layer in checked.model.layers]


def test_an_activation_that_the_standard_does_not_name() -> None:
    text = net("RNN", activations=["Softmax"])
    with pytest.raises((Unsupported, BadSource), match="Softmax"):
        converter.convert(ir.from_proto(text), verify=False)


def test_what_keras_has_stays_a_layer() -> None:
    model = check_onnx(net("LSTM")).model
    assert [type(layer).__name__ for layer in model.layers if type(layer).__name__ == "LSTM"]
