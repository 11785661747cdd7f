"""One sorted graph, whose weights are no inputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from passes.errors import BadSource
from passes.normalize.inline_functions import InlineFunctions
from tests.harness import check_onnx, check_pass, graph, operators


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


TRAINED = """g (float[{x}] x) => (float[{x}] y, float[3] m, float[3] v)
<float[3] s = {{1, 2, 3}}, float[3] b = {{0.5, 0, -1}}, float[3] rm = {{0, 1, 2}}, float[3] rv = {{1, 2, 3}}> {{
    y, m, v = BatchNormalization<training_mode=1, momentum=0.75, epsilon=0.1>(x, s, b, rm, rv) }}"""


@pytest.mark.parametrize("x", ["n,3", "n,3,5", "n,3,h,w"])
def test_batch_normalization_in_training(x: str) -> None:
    check_onnx(TRAINED.format(x=x), sizes={"n": (2, 3)})
    check_onnx(TRAINED.format(x=x).replace(", momentum=0.75, epsilon=0.1", ""), sizes={"n": (2, 3)})


@pytest.mark.parametrize("mode", ["linear", "circular"])
@pytest.mark.parametrize(("axis", "update"), [(1, "n,2,3,4"), (-2, "n,5,1,4")])
def test_tensor_scatter(mode: str, axis: int, update: str) -> None:
    text = f"""<ir_version: 11, opset_import: ["" : 24]>
    g (float[n,5,3,4] p, float[{update}] u, int64[n] i) => (float[n,5,3,4] y) {{
        y = TensorScatter<axis={axis}, mode="{mode}">(p, u, i) }}"""
    place = np.random.default_rng(0)
    shape = [int(size) if size != "n" else 2 for size in update.split(",")]
    feeds = {"p": place.random((2, 5, 3, 4), np.float32), "u": place.random(shape, np.float32), "i": np.array([2, 1])}
    check_onnx(text, feeds=[feeds])


def test_a_mask_of_nothing_left_out() -> None:
    check_onnx("g (float[n,3] x) => (float[n,3] y, bool[n,3] m) { y, m = Dropout(x) }", dropout=False)
    told = "<float r = {0.5}, bool t = {0}> { y, m = Dropout(x, r, t) }"
    check_onnx(f"g (float[n,3] x) => (float[n,3] y, bool[n,3] m) {told}", dropout=False)
