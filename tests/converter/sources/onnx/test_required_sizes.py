"""Sizes that a file leaves open and its weights demand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import converter
from converter.sources import load
from converter.sources.onnx.required_sizes import required_sizes
from tests.harness import graph

W = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)


def model(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    result = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]> {text}')
    result.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    return result


CASES = {
    "channels": (model("g (float[n,c,h,w] x) => (y) { y = Conv<kernel_shape=[3,3]>(x, k0) }", k0=W), {1: 3}),
    "channels last": (
        model("g (float[n,h,w,c] x) => (y) { t = Transpose<perm=[0,3,1,2]>(x) y = Conv<kernel_shape=[3,3]>(t, k0) }",
              k0=W),
        {3: 3},
    ),
    "a mean": (
        model("g (float[n,c,h,w] x) => (y) { s = Sub(x, m) y = Relu(s) }", m=np.ones((1, 3, 1, 1), np.float32)), {1: 3},
    ),
    "pixels": (
        model("g (uint8[n,c,h,w] x) => (y) { f = Cast<to=1>(x) s = Div(f, m) y = Conv<kernel_shape=[3,3]>(s, k0) }",
              k0=W, m=np.array(255, np.float32)),
        {1: 3},
    ),
    "rows": (model("g (float[n,f] x) => (float[n,k] y) { y = Gemm<transB=1>(x, k0) }", k0=W.reshape(9, 12)), {1: 12}),
    "sequence": (model("g (float[n,t,f] x) => (float[n,t,k] y) { y = MatMul(x, k0) }", k0=W.reshape(9, 12)), {2: 9}),
    "recurrent": (
        model("g (float[t,n,f] x) => (float[t,1,n,3] y) { y = RNN<hidden_size=3>(x, k0, r0) }",
              k0=W.reshape(1, 3, 36), r0=W.reshape(-1)[:9].reshape(1, 3, 3)),
        {2: 36},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_found_and_proven(tmp_path: Path, name: str) -> None:
    proto, wanted = CASES[name]
    path = tmp_path / "open.onnx"
    onnx.save(proto, path)
    loaded = load(path)
    assert {axis: size for axis, size in enumerate(loaded.inputs[0].shape) if isinstance(size, int)} == wanted
    conversion = converter.convert(path)
    assert conversion.verified
    assert any("its weights are made for as many" in note for note in conversion.report.notes)


def test_one_name_is_one_size() -> None:
    source = graph(
        "g (float[n,f] x, float[m,f] z) => (y, s) <float[3,1] w = {1, 2, 3}> { y = MatMul(x, w) s = Relu(z) }"
    )
    loaded = load(source)
    assert [list(value.shape or ())[1] for value in loaded.model.graph.inputs] == [3, 3]
    assert str(source.graph.inputs[0].shape) == "[n,f]"  # the graph that was given is as it was


def test_two_numbers_are_none() -> None:
    text = """g (float[n,f] x) => (a, b) <float[3,1] w = {1, 2, 3}, float[2,1] v = {1, 2}> {
        a = MatMul(x, w) b = MatMul(x, v) }"""
    assert required_sizes(graph(text).graph) == {}


def test_what_is_reshaped_before_demands_nothing() -> None:
    text = """g (float[n,f] x) => (y) <float[3,1] w = {1, 2, 3}, int64[2] s = {-1, 3}> {
        r = Reshape(x, s) y = MatMul(r, w) }"""
    assert required_sizes(graph(text).graph) == {}
