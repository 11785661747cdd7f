"""Quantised graphs: roundings in front of their steps are measured, and excuse no layer that is wrong by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import converter
from converter.backends.keras.ops import quantisation
from converter.ports import Port
from converter.proof.inputs.cases import Case
from converter.proof.inputs.trials import Trial
from converter.proof.judge import Judge
from converter.proof.noise import uncertainty
from converter.proof.oracle import Oracle
from converter.proof.oracle.steps import Steps
from converter.proof.precision import QUANTISED
from passes.shapes.infer import InferShapes
from tests.harness import graph


def means(scale: str) -> ir.Model:
    """Means of two steps, which lie on a step or between two; with another scale nowhere near. 20 and their sum."""
    constants = f"float s = {{0.1}}, float t = {{{scale}}}, uint8 z = {{128}}, float c = {{20}}"
    axes = "int64[3] rows = {1, 32, 2}, int64[1] last = {2}, int64[1] one = {1}"
    model = graph(f"""g (float[1,64] x) => (float[1,1] y) <{constants}, {axes}> {{
        q = QuantizeLinear(x, s, z)  a = DequantizeLinear(q, s, z)  r = Reshape(a, rows)
        m = ReduceMean<keepdims=0>(r, last)  p = QuantizeLinear(m, t, z)  b = DequantizeLinear(p, s, z)
        d = ReduceSum<keepdims=1>(b, one)  y = Add(d, c) }}""")
    InferShapes()(model)
    return model


X = {"x": np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)}


@pytest.mark.parametrize(("scale", "is_moved"), [("0.1", True), ("0.07", False)])
def test_a_number_between_two_steps_goes_either_way(scale: str, is_moved: bool) -> None:
    model = means(scale)
    oracle = Oracle(model)
    assert uncertainty(oracle, X, oracle.run(X)) == [0.0]  # the first step swallows what moves the input
    (found,) = uncertainty(oracle, X, oracle.run(X), steps=Steps(model))
    assert (found >= 0.099) if is_moved else (found == 0.0)


def test_a_scale_that_is_computed_and_steps_in_a_loop() -> None:
    text = """g (float[4,8] x, float t) => (float[8] y) <float zero = {0}, float[8] start = {0, 0, 0, 0, 0, 0, 0, 0}> {
        y = Scan<num_scan_inputs = 1, body = each (float[8] h, float[8] row) => (float[8] after) {
            m = Add(h, row)  q = QuantizeLinear(m, t)  after = DequantizeLinear(q, t) }>(start, x) }"""
    model = graph(text)
    InferShapes()(model)
    rows = np.arange(32, dtype=np.float32).reshape(4, 8) + np.float32(0.5)
    plain, others = Steps(model).answers({"x": rows, "t": np.array(1, np.float32)})
    assert max(np.abs(plain[0] - other[0]).max() for other in others) >= 1


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("steps", [1, 50])
def test_an_output_of_one_number_may_differ_by_what_roundings_do(steps: int, knows: bool) -> None:
    model = means("0.1")
    oracle = Oracle(model)
    expected = oracle.run(X)
    judge = Judge(oracle, [Port("y", (1, 1), "float32")], None, {"y": QUANTISED}, Steps(model) if knows else None)
    trial = Trial(Case(0, {}), X, expected)
    found = judge.case(trial, [expected[0] + np.float32(0.1 * steps)])
    assert found.passed is (knows and steps == 1)


def net() -> ir.Model:
    """Two dense layers of bytes, and one number behind a sigmoid."""
    generator = np.random.default_rng(0)

    def told(name: str, array: np.ndarray[Any, Any]) -> str:
        kind = {"i": "int8", "f": "float"}[array.dtype.kind]
        return f"{kind}[{','.join(map(str, array.shape))}] {name} = {{{', '.join(map(str, array.ravel().tolist()))}}}"

    weights = ", ".join(
        [
            told("v", generator.integers(-127, 128, (32, 48)).astype(np.int8)),
            told("w", generator.integers(-127, 128, (48, 1)).astype(np.int8)),
            "float s = {0.02}, float t = {0.05}, float k = {0.003}, uint8 z = {128}, int8 o = {0}",
        ]
    )
    return graph(f"""g (float[1,32] x) => (float[1,1] y) <{weights}> {{
        q = QuantizeLinear(x, s, z)  a = DequantizeLinear(q, s, z)  c = DequantizeLinear(v, k, o)  m = MatMul(a, c)
        p = QuantizeLinear(m, t, z)  b = DequantizeLinear(p, t, z)  d = DequantizeLinear(w, k, o)  e = MatMul(b, d)
        y = Sigmoid(e) }}""")


def test_a_sound_net_is_proven() -> None:
    assert converter.convert(net()).verified


@pytest.mark.parametrize("factor", [1.0005, 1.01])
def test_a_scale_that_is_a_little_off_is_caught(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = quantisation._Places.along

    def wrong(places: Any, value: Any, dtype: Any = None) -> Any:
        found = right(places, value, dtype)
        return found * factor if dtype is None and not str(places.x.dtype).startswith(("int", "uint")) else found

    monkeypatch.setattr(quantisation._Places, "along", wrong)
    with pytest.raises(converter.NotEquivalent):
        converter.convert(net())


def test_a_zero_point_that_is_one_off_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = quantisation._Places.along

    def wrong(places: Any, value: Any, dtype: Any = None) -> Any:
        found = right(places, value, dtype)
        return found + 1 if dtype is not None and float(np.max(found)) == 128 else found

    monkeypatch.setattr(quantisation._Places, "along", wrong)
    with pytest.raises(converter.NotEquivalent):
        converter.convert(net())


def chaos(times: float) -> ir.Model:
    """Integers, which no rounding moves; a sum of a thousand, and a sine of it that goes round and round."""
    constants = f"float times = {{{times}}}, float[1000,4] w = {{{WEIGHTS}}}"
    model = graph(f"""g (int64[2,1000] n) => (float[2,4] y) <{constants}> {{
        x = Cast<to=1>(n)  s = MatMul(x, w)  m = Mul(s, times)  y = Sin(m) }}""")
    for place, node in enumerate(model.graph):  # as exporters have it: onnxruntime takes no name twice
        node.name = f"node_{place}"
    InferShapes()(model)
    return model


WEIGHTS = ", ".join(f"{number:.5f}" for number in np.random.default_rng(1).standard_normal(4000))
N = {"n": np.random.default_rng(0).integers(0, 9, (2, 1000))}


@pytest.mark.parametrize(("times", "is_chaos"), [(1e5, True), (1e-3, False)])
def test_sums_on_the_way_are_rounded_otherwise_where_nothing_is_quantised(times: float, is_chaos: bool) -> None:
    """A difference as large as the output: rounding alone makes it in one of the two, and in the other a fault."""
    model = chaos(times)
    oracle = Oracle(model)
    expected = oracle.run(N)
    assert uncertainty(oracle, N, expected)[0] < 0.01 or is_chaos
    judge = Judge(oracle, [Port("y", (2, 4), "float32")], steps=Steps(model))
    case = judge.case(Trial(Case(0, {}), N, expected), [expected[0][::-1]])
    assert not case.passed and case.ill_conditioned is is_chaos


def test_what_is_moved_is_the_same_graph() -> None:
    model = chaos(1e-3)
    plain, others = Steps(model).answers(N)
    np.testing.assert_allclose(plain[0], Oracle(model).run(N)[0], atol=1e-6)
    assert 0 < max(np.abs(plain[0] - other[0]).max() for other in others) < 1e-5
