"""Quantised graphs as the float graphs that they stand for."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

import converter
from passes.errors import Unsupported, UsageError
from tests.harness import graph, operators
from tests.zoo import zoo_file

STEPS = """g (float[batch, 3] x) => (float[batch, 2] y)
<float s = {{0.5}}, uint8 z = {{{zero}}}, int8[3, 2] w_quantized = {{10, -20, 30, 40, -50, 60}},
 float[2] ws = {{0.1, 0.2}}, int8[2] wz = {{1, 2}}> {{
    q = QuantizeLinear(x, s, z)  r = Identity(q)  d = DequantizeLinear(r, s, z)
    k = DequantizeLinear<axis=1>(w_quantized, ws, wz)  y = MatMul(d, k)
}}"""
DYNAMIC = """g (float[batch, 3] x) => (float[batch, 2] y)
<int8[3, 2] w = {10, -20, 30, 40, -50, 60}, float ws = {0.1}, int8 wz = {3}> {
    q, s, z = DynamicQuantizeLinear(x)  p = MatMulInteger(q, w, z, wz)  f = Cast<to=1>(p)  t = Mul(s, ws)  y = Mul(f, t)
}"""
W = np.array([[10, -20], [30, 40], [-50, 60]], np.float32)
X = np.array([[1.2, -3.4, 5.6], [0.1, 0.2, -0.3]], np.float32)


def converted(text: str) -> converter.Conversion:
    conversion = converter.convert(graph(text), dequantise=True)
    assert conversion.verified
    return conversion


@pytest.mark.parametrize("zero", [0, 128])
def test_steps_go_and_weights_are_floats(zero: int) -> None:
    conversion = converted(STEPS.format(zero=zero))
    assert {"QuantizeLinear", "DequantizeLinear"}.isdisjoint(conversion.report.operators)
    weights = (W - [1, 2]) * [0.1, 0.2]
    given = np.maximum(X, 0) if zero == 0 else X  # below the least number was nothing
    np.testing.assert_allclose(conversion.model(X), given @ weights, rtol=1e-5, atol=1e-5)
    assert [entry["source"] for entry in conversion.weights.values()] == ["w"]
    assert any("float graph" in note for note in conversion.report.notes)


def test_products_of_what_is_quantised_as_it_comes() -> None:
    conversion = converted(DYNAMIC)
    np.testing.assert_allclose(conversion.model(X), X @ ((W - 3) * 0.1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["qdq.onnx", "qop.onnx", "dyn.onnx"])
def test_files_of_a_quantiser(name: str) -> None:
    conversion = converter.convert(str(zoo_file(f"../cases/{name}")), dequantise=True)
    assert conversion.verified
    assert not any("Quantize" in operator for operator in conversion.report.operators)


def test_what_is_no_quantised_graph() -> None:
    with pytest.raises(UsageError, match="Nothing in this source is quantised"):
        converter.convert(graph("g (float[2] x) => (float[2] y) { y = Relu(x) }"), dequantise=True)


def test_numbers_that_are_used_as_they_are() -> None:
    text = STEPS.format(zero=0).replace("r = Identity(q)", "r = BitwiseNot(q)")
    with pytest.raises(Unsupported, match="used as they are"):
        converter.convert(graph(text), dequantise=True)


def test_the_source_stays_as_it_is() -> None:
    source: ir.Model = graph(STEPS.format(zero=0))
    before = operators(source)
    converter.convert(source, dequantise=True, verify=False)
    assert operators(source) == before
