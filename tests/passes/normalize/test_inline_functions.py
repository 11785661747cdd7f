"""One sorted graph, whose weights are no inputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from passes.errors import BadSource
from passes.normalize.inline_functions import InlineFunctions
from tests.harness import check_pass, graph, operators


def test_nodes_are_sorted() -> None:
    model = graph("g (float[batch, 2] x) => (float[batch, 2] y) { a = Relu(x)  b = Neg(a)  y = Exp(b) }")
    nodes = list(model.graph)
    model.graph.remove(nodes)
    model.graph.extend(reversed(nodes))
    assert InlineFunctions()(model).modified
    assert operators(model) == ["Relu", "Neg", "Exp"]
    assert not InlineFunctions()(model).modified


def test_a_cycle_is_a_bad_source() -> None:
    model = graph("g (float[2] x) => (float[2] y) { a = Add(x, x)  y = Neg(a) }")
    first, second = model.graph
    first.replace_input_with(1, second.outputs[0])
    with pytest.raises(BadSource, match="cycle"):
        InlineFunctions()(model)


def test_a_graph_without_outputs_is_a_bad_source() -> None:
    model = graph("g (float[2] x) => (float[2] y) { y = Neg(x) }")
    model.graph.outputs.clear()
    with pytest.raises(BadSource, match="no outputs"):
        InlineFunctions()(model)


def test_weights_are_taken_off_the_inputs() -> None:
    """ONNX files before IR version 4 list every weight as an input."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "w")]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    weight = numpy_helper.from_array(np.arange(3, dtype=np.float32), "w")
    body = helper.make_graph([helper.make_node("Mul", ["x", "w"], ["y"])], "g", inputs, [output], [weight])
    proto = helper.make_model(body, opset_imports=[helper.make_opsetid("", 9)], ir_version=3)
    model = ir.from_proto(proto)
    assert InlineFunctions()(model).modified
    assert [value.name for value in model.graph.inputs] == ["x"]


def test_functions_are_inlined_with_the_metadata_of_the_call() -> None:
    text = """<ir_version: 10, opset_import: ["" : 23, "my" : 1]>
    g (float[batch, 2] x) => (float[batch, 2] y) { a = my.Block(x)  y = my.Block(a) }
    <domain: "my", opset_import: ["" : 23]> Block (t) => (u) { r = Relu(t)  u = Neg(r) }"""
    source = graph(text)
    for number, node in enumerate(source.graph):
        node.metadata_props["keraport.module"] = f"block{number}"
    model = check_pass(InlineFunctions(), source, modified=True)
    assert operators(model) == ["Relu", "Neg", "Relu", "Neg"]
    assert [node.metadata_props["keraport.module"] for node in model.graph] == ["block0"] * 2 + ["block1"] * 2
    assert not model.functions and dict(model.opset_imports) == {"": 23}
