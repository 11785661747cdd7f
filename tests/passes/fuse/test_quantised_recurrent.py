"""onnxruntime's LSTM that quantises its state at every step: equal to what one thread of it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import converter
from converter.errors import NotEquivalent, Unsupported
from converter.proof.oracle import Oracle
from passes.fuse.quantised_steps import QuantisedDirection
from tests.harness import check_onnx, run_keras

Array = np.ndarray[Any, np.dtype[Any]]


def net(
    *, hidden: int = 3, time: int | str = 4, kind: str = "int8", wide: bool = False,
    more: dict[int, Array] | None = None, outputs: tuple[str, ...] = ("y", "h", "c"), bias: bool = True,
    **attributes: Any,
) -> onnx.ModelProto:  # fmt: skip
    """`wide`: a scale for each column of the weights."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    generator = np.random.default_rng(len(str(attributes)) + hidden)
    info, gates = np.iinfo(np.dtype(kind)), 4 * hidden
    per = (directions, gates) if wide else (directions,)
    zero = np.zeros(per, kind) if kind == "int8" or wide else generator.integers(100, 150, per).astype(kind)
    if kind == "uint8" and wide:
        zero += 128
    given: dict[int, Array] = {
        1: generator.integers(info.min, info.max + 1, (directions, 5, gates)).astype(kind),
        2: generator.integers(info.min, info.max + 1, (directions, hidden, gates)).astype(kind),
        8: generator.uniform(0.005, 0.01, per).astype(np.float32),
        9: zero,
        10: generator.uniform(0.005, 0.01, per).astype(np.float32),
        11: zero,
        **({3: generator.standard_normal((directions, 2 * gates)).astype(np.float32)} if bias else {}),
        **(more or {}),
    }
    names = ["x", *(f"i{place}" if place in given else "" for place in range(1, 12))]
    constants = [numpy_helper.from_array(array, f"i{place}") for place, array in given.items()]
    told = {"hidden_size": hidden, "domain": "com.microsoft", "name": "net", **attributes}
    node = helper.make_node("DynamicQuantizeLSTM", names, outputs, **told)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs if name]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [time, "batch", 5])
    graph = helper.make_graph([node], "g", [x], ports, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


STATE = np.full((1, 3, 3), 0.5, np.float32)
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "unsigned": {"kind": "uint8"},
    "by column": {"wide": True},
    "by column, unsigned": {"wide": True, "kind": "uint8"},
    "back": {"direction": "reverse"},
    "both": {"direction": "bidirectional"},
    "both, by column": {"direction": "bidirectional", "wide": True},
    "peepholes": {"more": {7: np.linspace(-1, 1, 9, dtype=np.float32)[None]}},
    "coupled": {"input_forget": 1},
    "clip": {"clip": 0.3},
    "Relu": {"activations": ["Sigmoid", "Relu", "Tanh"]},
    "wide state": {"hidden": 300},
    "states": {"more": {5: STATE, 6: -STATE}},
    "the last state alone": {"outputs": ("", "h")},
}


@pytest.mark.parametrize("time", [4, "time"])
@pytest.mark.parametrize("name", CASES)
def test_equals_one_thread_of_onnxruntime(name: str, time: int | str) -> None:
    batches = (3,) if name == "states" else (1, 2, 6)
    checked = check_onnx(net(time=time, **CASES[name]), sizes={"batch": batches, "time": (4, 7)}, seeds=(0, 1))
    assert ("Loop" in [type(layer).__name__ for layer in checked.model.layers]) == (time == "time")


def test_zeros_are_quantised_with_a_scale_of_one() -> None:
    zeros = {"x": np.zeros((4, 2, 5), np.float32)}
    check_onnx(net(bias=False), feeds=[zeros])


def test_the_oracle_asks_one_thread() -> None:
    """Two threads quantise the rows of a batch apart: another answer."""
    proto = net(time=6, hidden=16)
    rows = np.random.default_rng(0).standard_normal((6, 2, 5)).astype(np.float32) * np.float32([[[1], [0.01]]])
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    two = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    oracle = Oracle(ir.from_proto(proto))
    assert oracle.threads == 1
    assert np.abs(oracle.run({"x": rows})[0] - two.run(None, {"x": rows})[0]).max() > 1e-4
    assert Oracle.for_source(ir.from_proto(proto), ir.from_proto(proto)).threads == 1


@pytest.mark.parametrize("batch", [1, 3])
def test_what_the_quantiser_writes(tmp_path: Any, batch: int) -> None:
    """A float LSTM of torch's, by onnxruntime's own tool, proven as a file is."""
    quantization = pytest.importorskip("onnxruntime.quantization")
    generator = np.random.default_rng(0)
    shapes = {"w": (2, 128, 24), "r": (2, 128, 32), "b": (2, 256)}
    constants = [
        numpy_helper.from_array((generator.standard_normal(shape) / 5).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    told: dict[str, Any] = {"hidden_size": 32, "direction": "bidirectional"}
    node = helper.make_node("LSTM", ["x", *shapes], ["y", "h", "c"], name="net", **told)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["time", batch, 24])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "h")]
    graph = helper.make_graph([node], "g", [x], outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "f.onnx")
    quantization.quantize_dynamic(tmp_path / "f.onnx", tmp_path / "q.onnx", per_channel=batch == 3)
    assert "DynamicQuantizeLSTM" in {n.op_type for n in onnx.load(tmp_path / "q.onnx").graph.node}
    assert converter.convert(tmp_path / "q.onnx", tmp_path / "q.keras").verified


def test_lengths_of_rows_are_refused() -> None:
    proto = net(more={4: np.array([4, 2, 1], np.int32)})
    with pytest.raises(Unsupported, match="lengths of rows"):
        converter.convert(ir.from_proto(proto), verify=False)


@pytest.mark.parametrize("place", [8, 10])
def test_scales_of_the_other_direction_are_caught(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the pass: the layers are right then, and the outputs decide."""
    right = QuantisedDirection._array

    def wrong(self: QuantisedDirection, asked: int) -> Array:
        found = right(self, asked)
        return found[::-1] if asked == place else found

    monkeypatch.setattr(QuantisedDirection, "_array", wrong)
    with pytest.raises(NotEquivalent, match="Output"):
        converter.convert(ir.from_proto(net(direction="bidirectional", hidden=8)))


@pytest.mark.parametrize("told", [{"kind": "uint8"}, {"wide": True}, {"direction": "bidirectional", "kind": "uint8"}])
def test_dequantised_it_is_an_lstm_with_the_weights_that_the_integers_stand_for(told: dict[str, Any]) -> None:
    proto = net(outputs=("y",), **told)
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    directions = len(held["i1"])
    weights = {}
    for name, scales in (("i1", 8), ("i2", 10)):
        rows = [held[f"i{place}"].astype(np.float32).reshape(directions, 1, -1) for place in (scales, scales + 1)]
        weights[name] = ((held[name].astype(np.float32) - rows[1]) * rows[0]).transpose(0, 2, 1)
    constants = [numpy_helper.from_array(array, name) for name, array in (weights | {"i3": held["i3"]}).items()]
    direction = told.get("direction", "forward")
    node = helper.make_node("LSTM", ["x", "i1", "i2", "i3"], ["y"], hidden_size=3, direction=direction)
    graph = helper.make_graph([node], "g", proto.graph.input, proto.graph.output, constants)
    lstm = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    conversion = converter.convert(ir.from_proto(proto), dequantise=True)
    assert conversion.verified and "Loop" not in conversion.report.operators
    x = {"x": np.random.default_rng(0).standard_normal((4, 2, 5)).astype(np.float32)}
    np.testing.assert_allclose(run_keras(conversion, x)[0], Oracle(ir.from_proto(lstm)).run(x)[0], atol=1e-5)
