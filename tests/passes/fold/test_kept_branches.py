"""An If on numbers whose branches give other sizes: one layer, whose branches are Keras models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import converter
from converter.errors import Unsupported
from tests.harness import check_onnx, graph

TEXT = """g (float[n,4] x) => ({output}) <float[4] w = {{1, -2, 3, 0.5}}, int64[1] two = {{2}}, int64[1] zero = {{0}}> {{
    s = ReduceSum<keepdims=0>(x) nought = Constant<value_float=0.0>() c = Greater(s, nought) e = Exp(x)
    y{more} = If(c) <then_branch = a () => (float[p,4] t{then}) {{ {yes} }}, else_branch = b () => (float[q,4] u{els}) {{ {no} }}> }}"""  # noqa: E501
SIZES = {"n": (1, 2, 5)}


def text(yes: str, no: str, **more: str) -> str:
    return TEXT.format(**{"output": "float[m,4] y", "more": "", "then": "", "els": "", **more}, yes=yes, no=no)


CASES = {
    "rows": text("t = Mul(x, w)", "u = Concat<axis=0>(x, x)"),
    "from outside": text("t = Add(e, w)", "r = Neg(e) u = Concat<axis=0>(r, x)"),
    "as it is": text("t = Identity(x)", "u = Concat<axis=0>(x, e)"),
    "several": text(
        "t = Mul(x, w) t2 = ReduceMax<keepdims=0>(x)",
        "u = Concat<axis=0>(x, x) u2 = ReduceMin<keepdims=0>(x)",
        output="float[m,4] y, float z",
        more=", z",
        then=", float t2",
        els=", float u2",
    ),
    "constants": text(
        "t = Constant<value = float[1,4] {1, 2, 3, 4}>()", "u = Constant<value = float[2,4] {1, 2, 3, 4, 5, 6, 7, 8}>()"
    ),
    "weights": text("t = MatMul(x, square)", "r = MatMul(e, square) u = Concat<axis=0>(r, x)").replace(
        "float[4] w", f"float[4,4] square = {{{', '.join(str(i % 5 - 2) for i in range(16))}}}, float[4] w"
    ),
    "nested": text(
        """d = Greater(s, two_hundred) t = If(d) <
            then_branch = f () => (float[k,4] v) { v = Concat<axis=0>(x, x, x) },
            else_branch = g () => (float[l,4] z) { z = Sin(x) }>""",
        "u = Concat<axis=0>(x, x)",
    ).replace("s = Reduce", "two_hundred = Constant<value_float=0.5>() s = Reduce"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sign", [1, -1])
def test_equals_onnxruntime(name: str, sign: int) -> None:
    feeds = [{"x": sign * np.abs(np.random.default_rng(n).standard_normal((n, 4), np.float32))} for n in (1, 3)]
    checked = check_onnx(CASES[name], feeds=feeds)
    assert "If" in [type(layer).__name__ for layer in checked.model.layers]


def test_what_is_said_of_it() -> None:
    conversion = converter.convert(graph(CASES["weights"]))
    told: dict[str, Any] = conversion.report.to_dict()
    assert conversion.verified
    assert told["backends"] == ["tensorflow", "torch"]
    assert [entry["layer"] for entry in told["custom_layers"]] == ["If"]
    assert {entry["source"] for entry in conversion.weights.values()} == {"square"}


def test_branches_of_different_ranks_are_refused() -> None:
    with pytest.raises(Unsupported, match="outputs of different ranks"):
        converter.convert(
            graph(text("t = Mul(x, w)", "u = ReduceMax<keepdims=0>(x, zero)").replace("[q,4] u", "[4] u"))
        )
