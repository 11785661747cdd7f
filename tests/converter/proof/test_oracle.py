"""onnxruntime as the oracle, its faults included."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest

from converter.proof import oracle as oracle_module
from converter.proof.oracle import Oracle, running
from converter.proof.oracle.faults import known_fault
from converter.proof.oracle.float32 import BFLOAT16, has, in_float32
from passes.errors import BadSource
from tests.harness import graph

CHAIN = """
g (float[batch,2] x) => (float[batch,2] y) <float[2] w = {2, 3}>
{ scaled = Mul(x, w)  shifted = Add(scaled, w)  y = Relu(shifted) }
"""
X = np.array([[1, -2]], np.float32)

DILATED_POOL = """
g (float[1,1,9,9] x) => (float[1,1,9,9] y)
{{ y = MaxPool<kernel_shape=[3,3], dilations=[2,2], auto_pad="{auto_pad}"{rest}>(x) }}
"""


def test_outputs_and_every_value_on_the_way() -> None:
    oracle = Oracle(graph(CHAIN))
    assert oracle.run({"x": X})[0].tolist() == [[4, 0]]
    values = oracle.values({"x": X})
    assert {name: value.tolist() for name, value in values.items()} == {
        "scaled": [[2, -6]],
        "shifted": [[4, -3]],
        "y": [[4, 0]],
    }
    assert list(oracle.values({"x": X}, names=["shifted"])) == ["shifted"]


def test_a_graph_is_not_changed_by_asking(tmp_path: Path) -> None:
    model = graph(CHAIN)
    before = ir.to_proto(model).SerializeToString()
    Oracle(model).values({"x": X})
    assert ir.to_proto(model).SerializeToString() == before


def test_a_path_is_read_by_onnxruntime_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    ir.save(graph(CHAIN), path, external_data="m.data", size_threshold_bytes=0)
    oracle = Oracle(path)
    assert (oracle.input_names, oracle.output_names) == (["x"], ["y"])
    assert oracle.run({"x": X})[0].tolist() == [[4, 0]]
    assert oracle.values({"x": X})["scaled"].tolist() == [[2, -6]]


def test_weights_in_files_and_large_ones_go_through_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ir.save(graph(CHAIN), tmp_path / "m.onnx", external_data="m.data", size_threshold_bytes=0)
    assert Oracle(ir.load(tmp_path / "m.onnx")).run({"x": X})[0].tolist() == [[4, 0]]
    monkeypatch.setattr(oracle_module, "INLINE_BYTES", 0)
    assert Oracle(graph(CHAIN)).run({"x": X})[0].tolist() == [[4, 0]]


def test_what_onnxruntime_refuses_is_a_bad_source() -> None:
    with pytest.raises(BadSource, match=r"onnxruntime cannot load the graph: .*NoSuchOperator"):
        Oracle(graph("g (float[2] x) => (float[2] y) { y = NoSuchOperator(x) }"))
    with pytest.raises(BadSource, match="onnxruntime cannot run the graph"):
        Oracle(graph(CHAIN)).run({"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(BadSource, match=r"The input 'x' is missing\. Received: z"):
        Oracle(graph(CHAIN)).run({"z": X})


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_a_dilated_pool_with_same_pads_is_a_known_fault(auto_pad: str) -> None:
    source = graph(DILATED_POOL.format(auto_pad=auto_pad, rest=""))
    assert known_fault(source) is not None
    normalised = graph(DILATED_POOL.format(auto_pad="NOTSET", rest=", pads=[2,2,2,2]"))
    oracle = Oracle.for_source(source, normalised)
    assert oracle.description.startswith("the normalised graph, because onnxruntime pads a dilated operator")
    assert oracle.run({"x": np.zeros((1, 1, 9, 9), np.float32)})[0].shape == (1, 1, 9, 9)


def test_a_same_pool_with_a_kernel_below_its_stride_is_a_known_fault() -> None:
    text = (
        "g (float[1,1,{n}] x) => (float[1,1,m] y)"
        '{{ y = AveragePool<auto_pad="SAME_UPPER", kernel_shape=[{k}], strides=[3]>(x) }}'
    )
    assert known_fault(graph(text.format(n=6, k=1))) is not None
    assert known_fault(graph(text.format(n=6, k=3))) is None


@pytest.mark.parametrize(("size", "is_faulty"), [(400, True), (512, False), (6000, False)])
@pytest.mark.parametrize("given", ["initializer", "node"])
def test_a_spectrum_whose_length_is_no_power_of_two_is_a_known_fault(size: int, is_faulty: bool, given: str) -> None:
    held = f", int64 n = {{{size}}}" if given == "initializer" else ""
    made = "" if held else f"n = Constant<value: tensor = int64 {{{size}}}>()"
    source = graph(f"""g (float[b,t] x) => (float[b,f,k,2] y) <int64 step = {{100}}{held}> {{
        {made} y = STFT(x, step, , n) }}""")
    assert (known_fault(source) is not None) == is_faulty


def test_a_normalised_graph_with_a_dilated_same_is_spelled_out() -> None:
    text = (
        "g (float[1,1,9] x) => (float[1,1,9] y) <float[1,1,3] k = {1,1,1}>"
        '{ y = Conv<auto_pad="SAME_UPPER", dilations=[2], kernel_shape=[3], strides=[1], group=1>(x, k) }'
    )
    (y,) = Oracle(graph(text)).run({"x": np.ones((1, 1, 9), np.float32)})
    assert y.tolist() == [[[2, 2, 3, 3, 3, 3, 3, 2, 2]]]


def test_other_pools_are_asked_as_they_are() -> None:
    source = graph(DILATED_POOL.format(auto_pad="NOTSET", rest=", pads=[2,2,2,2]"))
    assert known_fault(source) is None
    assert Oracle.for_source(source, source).description == "the source as loaded"


def test_a_source_that_does_not_load_is_answered_by_its_normalised_form() -> None:
    template = (
        "g (float[1,1,9,9] x) => (float[1,1,h,w] y) <float[1,1,3,3] k = {{1,1,1,1,1,1,1,1,1}}> {{ y = {}(x, k) }}"
    )
    source = graph(template.format('Conv<auto_pad="SAME_UPPER", dilations=[2,2]>'))
    normalised = graph(template.format("Conv<pads=[2,2,2,2], dilations=[2,2]>"))
    oracle = Oracle.for_source(source, normalised)
    assert oracle.run({"x": np.ones((1, 1, 9, 9), np.float32)})[0].shape == (1, 1, 9, 9)
    assert "the normalised graph, because onnxruntime" in oracle.description


def test_a_graph_is_searched_when_the_source_is_a_file(tmp_path: Path) -> None:
    source = graph(DILATED_POOL.format(auto_pad="SAME_UPPER", rest=""))
    ir.save(source, tmp_path / "m.onnx")
    normalised = graph(DILATED_POOL.format(auto_pad="NOTSET", rest=", pads=[2,2,2,2]"))
    oracle = Oracle.for_source(tmp_path / "m.onnx", normalised, graph=source)
    assert oracle.description.startswith("the normalised graph")


def _bfloat16_model() -> ir.Model:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3).astype(ml_dtypes.bfloat16)
    model = graph("g (bfloat16[batch,2] x) => (bfloat16[batch,3] y) { y = MatMul(x, w) }")
    tensor = ir.Tensor(weight, name="w")
    value = ir.Value(name="w", shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    node = model.graph.node(0)
    node.replace_input_with(1, value)
    return model


def test_bfloat16_is_computed_in_float32_and_given_back_as_bfloat16() -> None:
    model = _bfloat16_model()
    x = np.array([[1, 2]], ml_dtypes.bfloat16)
    oracle = Oracle.for_source(model, model)
    assert oracle.description == "the source as loaded, its bfloat16 computed in float32"
    (y,) = oracle.run({"x": x})
    assert (y.dtype.name, y.astype(np.float32).tolist()) == ("bfloat16", [[6, 9, 12]])
    assert has(model, BFLOAT16)


def test_a_cast_to_bfloat16_is_widened_too() -> None:
    model = graph(
        f"g (float[2] x) => (float[2] y) {{ a = Cast<to={onnx.TensorProto.BFLOAT16}>(x)  y = Cast<to=1>(a) }}"
    )
    assert has(model, BFLOAT16)
    wide = in_float32(model, BFLOAT16)
    assert not has(wide, BFLOAT16)
    assert has(model, BFLOAT16)
    assert Oracle(model).run({"x": np.array([1, 2], np.float32)})[0].tolist() == [1, 2]


def test_a_pad_before_a_pool_stays_a_pad() -> None:
    text = (
        "g (float[1,1,11] x) => (float[1,1,n] y) <int64[6] pads = {0,0,2,0,0,2}>"
        "{ p = Pad(x, pads)  y = AveragePool<kernel_shape=[2], dilations=[3]>(p) }"
    )
    (y,) = Oracle(graph(text)).run({"x": np.ones((1, 1, 11), np.float32)})
    assert y.tolist() == [[[0.5, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 0.5, 0.5]]]


def test_a_case_that_the_source_fails_is_answered_for_itself_alone() -> None:
    """The source runs at multiples of four; its normalised form, here a stand-in, at any size."""
    source = graph("g (float[b, 4, t] x) => (float[b, 4, n] y) <int64[3] s = {0, 4, -1}> { y = Reshape(x, s) }")
    picky = graph(
        "g (float[b, 4, t] x) => (float[b, 4, n] y) <int64[4] s = {0, 4, 4, -1}, int64[3] back = {0, 4, -1}>"
        " { r = Reshape(x, s)  y = Reshape(r, back) }"
    )
    oracle = Oracle.for_source(picky, source)
    x, odd = np.ones((1, 4, 8), np.float32), np.ones((1, 4, 7), np.float32)
    answers = [oracle.ask({"x": array}).by for array in (x, odd, x, odd)]
    assert answers[0] == answers[2] == "the source as loaded" == oracle.description
    assert answers[1] == answers[3] and answers[1].startswith("the normalised graph, because onnxruntime fails")
    assert Oracle(picky).ask({"x": x}).by == "the source as loaded"
    with pytest.raises(BadSource):
        Oracle(picky).run({"x": odd})


def test_the_report_says_how_many_cases_each_graph_answered() -> None:
    from converter.proof.verify import oracles

    assert oracles(["a", "a"]) == "a"
    assert oracles(["a", "b", "a"]) == "a (2 of 3 cases); b (1 of 3 cases)"


def test_the_graph_to_fall_back_on_is_no_other_after_a_renaming(monkeypatch: pytest.MonkeyPatch) -> None:
    from converter import prepare

    model = graph("g (float[b, 4] x) => (float[b, 4] y) { y = Relu(x) }")
    assert prepare.prepare(model).normalised is not None
    monkeypatch.setattr(prepare, "NORMALISED", "Renamed")
    with pytest.raises(ValueError, match="no pass 'Renamed'"):
        prepare.prepare(model)
    prepare.prepare(model, keep_normalised=False)


def test_a_loop_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_SECONDS", 0.5)
    endless = graph("""g (float[2] x) => (float[2] y) <bool t = {1}> { y = Loop(, t, x) <
        body = b (int64 i, bool c, float[2] v) => (bool d, float[2] w) { w = Sin(v) d = Identity(c) }> }""")
    with pytest.raises(BadSource, match="a Loop of the graph did not end"):
        Oracle(endless).run({"x": np.ones(2, np.float32)})


REGIONS = """
<ir_version: 10, opset_import: ["" : {opset}]>
g (float[1,1,4,4] x, float[2,4] r, int64[2] b) => (float[2,1,1,1] y) {{
  doubled = Add(x, x)  pooled = RoiAlign<sampling_ratio=2>(doubled, r, b)  y = {operator}(pooled) }}
"""


def test_an_operator_without_a_kernel_is_run_at_an_older_opset() -> None:
    """RoiAlign of opset 22 takes more types, and onnxruntime has none; one that is new at 24 forbids to go back."""
    feeds = {"x": np.ones((1, 1, 4, 4), np.float32), "r": np.full((2, 4), [0, 0, 2, 2], np.float32)}
    feeds["b"] = np.zeros(2, np.int64)
    model = graph(REGIONS.format(opset=23, operator="Relu"))
    oracle = Oracle(model)
    assert model.opset_imports[""] == 23
    assert oracle.run(feeds)[0].ravel().tolist() == [2, 2]
    assert oracle.values(feeds)["pooled"].ravel().tolist() == [2, 2]
    with pytest.raises(BadSource, match=r"RoiAlign\(22\)"):
        Oracle(graph(REGIONS.format(opset=24, operator="Swish")))
