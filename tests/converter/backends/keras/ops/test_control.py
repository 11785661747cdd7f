"""Loops that are kept, through the whole converter, against onnxruntime."""

from __future__ import annotations

import keras
import numpy as np
import onnx
import pytest

import keraport.layers
from tests.op_cases import Case, c, case, x
from tests.op_checks import check, parameters

HALVING = "b (int64 i, bool c, float[2,3] v) => (bool d, float[2,3] w, float[2,3] r) { w = Sin(v) r = Neg(w) d = Identity(c) }"
SUMMING = "b (float[2,3] v, float[2,3] row) => (float[2,3] w, float[2,3] r) { w = Add(v, row) r = Tanh(w) }"


def body(text: str) -> onnx.GraphProto:
    return onnx.parser.parse_graph(text)


ONE = "a () => (float[1,2] t) { t = Constant<value = float[1,2] {1, 2}>() }"
TWO = "b () => (float[2,2] u) { u = Constant<value = float[2,2] {1, 2, 3, 4}>() }"

CASES = {
    "keraport::If": [case("If", x(dtype="bool"), then_branch=body(ONE), else_branch=body(TWO), _contexts="plain")],
    "keraport::Loop": [
        case("Loop", c(100), c(True, "bool"), x(2, 3), body=body(HALVING), _outputs=2, _contexts="plain"),
        case("Scan", x(2, 3), x("t", 2, 3), num_scan_inputs=1, body=body(SUMMING), _outputs=2, _sizes={"t": (1, 6)}, _contexts="plain"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("case", parameters(CASES))
def test_equals_onnxruntime(case: Case) -> None:
    check(case)


def test_no_turn_at_all() -> None:
    """A whole of length 0: the states as they are, and no rows."""
    inputs = [keras.Input(batch_shape=shape) for shape in ((), (2,), (2,))]
    layer = keraport.layers.Loop(keras.Model(inputs, [inputs[1] + inputs[2], inputs[2] * 2.0]), states=1, scanned=1)
    state, rows = layer([np.ones(2, "float32"), np.ones((0, 2), "float32")])
    assert keras.ops.convert_to_numpy(state).tolist() == [1, 1] and tuple(rows.shape) == (0, 2)


@pytest.mark.parametrize("config", [{"body": 3}, {"body": "os.system"}, {"body": {"class_name": "Dense"}}, {}])
def test_a_hostile_config_is_a_clear_error(config: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"body|config|Dense|deserialize"):
        keraport.layers.Loop.from_config(config)
    branches = {"then_branch": config.get("body"), "else_branch": config.get("body")}
    with pytest.raises((ValueError, TypeError), match=r"branch|config|Dense|deserialize"):
        keraport.layers.If.from_config(branches)


def test_branches_of_another_number_of_outputs() -> None:
    inputs = keras.Input(batch_shape=())
    one, two = keras.Model(inputs, inputs + 1.0), keras.Model(inputs, [inputs, inputs * 2.0])
    with pytest.raises(ValueError, match="as many outputs"):
        keraport.layers.If(one, two)
