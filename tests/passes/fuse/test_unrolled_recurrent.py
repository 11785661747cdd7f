"""Recurrent nets of odd forms, written out: equal to onnxruntime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from converter.errors import Unsupported
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


CASES = {
    "clip": net("LSTM", clip=0.3),
    "clipped GRU": net("GRU", clip=0.3, linear_before_reset=1),
    "coupled": net("LSTM", input_forget=1),
    "peepholes": net("LSTM", more={7: peepholes()}),
    "peepholes, both": net("LSTM", direction="bidirectional", more={7: peepholes(2)}),
    "states": net("LSTM", clip=0.5, more={5: STATE, 6: -STATE}),
    "live weights": net("GRU", given="wrb"),
    "live bias": net("GRU", given="b", linear_before_reset=1, direction="reverse"),
    "live kernel": net("LSTM", given="w", direction="bidirectional"),
    "live RNN": net("RNN", given="wr", direction="bidirectional"),
    "parameters": net("RNN", activations=["LeakyRelu"], activation_alpha=[0.3]),
    "affine": net("RNN", activations=["Affine"], activation_alpha=[0.5], activation_beta=[0.1]),
    "scaled": net(
        "GRU", activations=["HardSigmoid", "ScaledTanh"], activation_alpha=[0.3, 1.5], activation_beta=[0.4, 0.5]
    ),
    "each its own": net("GRU", direction="bidirectional", activations=["Sigmoid", "Tanh", "Sigmoid", "Relu"]),
    "cell and output": net("LSTM", activations=["Sigmoid", "Tanh", "Relu"]),
    "lengths": net("LSTM", clip=0.5, more={4: LENGTHS}),
    "lengths, back": net("GRU", given="w", direction="bidirectional", more={4: LENGTHS}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_equals_onnxruntime(name: str) -> None:
    has_rows = any(value.name in ("more4", "more5") for value in CASES[name].graph.initializer)
    check_onnx(CASES[name], sizes=THREE if has_rows else {"batch": (1, 3)})


@pytest.mark.parametrize(
    ("kind", "attributes", "word"),
    [
        ("LSTM", {"clip": 1.0}, "clip"),
        ("LSTM", {"input_forget": 1}, "coupled"),
        ("RNN", {"activations": ["Affine"]}, "Affine"),
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "another activation of the cell"),
        ("RNN", {"activations": ["Tanh", "Relu"], "direction": "bidirectional"}, "in each direction"),
        ("GRU", {"given": "w"}, "weights that the graph computes"),
    ],
)
@pytest.mark.parametrize("time", ["time", 65])
def test_long_or_open_ones_are_refused(kind: str, attributes: dict[str, Any], word: str, time: int | str) -> None:
    with pytest.raises(Unsupported, match=word):
        converter.convert(ir.from_proto(net(kind, time=time, **attributes)), verify=False)


def test_what_keras_has_stays_a_layer() -> None:
    model = check_onnx(net("LSTM")).model
    assert [type(layer).__name__ for layer in model.layers if type(layer).__name__ == "LSTM"]
