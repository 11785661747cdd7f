"""Files that break the standard are refused when they are read, naming the node."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import converter
from converter.errors import BadSource, ConversionError

HOSTILE = Path(__file__).resolve().parents[5] / "shared" / "cases" / "hostile"


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Relu", ["x", "x"], ["y"], name="n"), "not in range"),
        (helper.make_node("Relu", ["x"], ["y"], name="n", alpha=1.0), "Unrecognized attribute"),
        (helper.make_node("Concat", ["x"], ["y"], name="n"), "Required attribute 'axis'"),
        (helper.make_node("Concat", ["x"], ["y"], name="n", axis=0.5), "Mismatched attribute type"),
        (helper.make_node("MaxPool", ["x"], ["y"], name="n", kernel_shape=[2], strides=[2**33]), "strides cannot"),
        (helper.make_node("MaxPool", ["x"], ["y"], name="n", kernel_shape=[0, 2]), "kernel_shape cannot"),
    ],
    ids=["inputs", "unknown-attribute", "missing-attribute", "attribute-type", "huge", "zero"],
)  # fmt: skip
def test_nodes_fit_their_schema(tmp_path: Path, node: onnx.NodeProto, message: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(model(node).SerializeToString())
    with pytest.raises(BadSource, match=message) as raised:
        converter.convert(path, verify=False)
    assert "'n'" in str(raised.value.node)


def test_numbers_lie_in_the_field_of_their_type(tmp_path: Path) -> None:
    broken = model(helper.make_node("Add", ["x", "w"], ["y"]))
    broken.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.INT64, dims=[1], int32_data=[1]))
    path = tmp_path / "bad.onnx"
    path.write_bytes(broken.SerializeToString())
    with pytest.raises(BadSource, match="the file has 0"):
        converter.convert(path, verify=False)


@pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"there is no {HOSTILE}")
@pytest.mark.parametrize("path", sorted(HOSTILE.glob("*.onnx")), ids=lambda path: path.stem)
def test_mutants(path: Path) -> None:
    with pytest.raises(ConversionError):
        converter.convert(path, verify=False)


def test_domains_are_text(tmp_path: Path) -> None:
    broken = model(helper.make_node("Relu", ["x"], ["y"]))
    broken.opset_import.append(helper.make_opsetid("com.somebody", 1))
    path = tmp_path / "bad.onnx"
    path.write_bytes(broken.SerializeToString().replace(b"com.somebody", b"co\xff.somebody"))
    with pytest.raises(BadSource, match="is no text"):
        converter.convert(path, verify=False)
