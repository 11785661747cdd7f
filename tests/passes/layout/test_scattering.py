"""Numbers written at places where axes are merged that are open, as a mixture of experts has its tokens: no layer of
ours, and no reshape there and back; and sizes that nothing has but in arithmetic."""

from __future__ import annotations

import pytest

import converter
from tests.harness import check_onnx, graph

SIZES = {"b": (1, 3), "s": (2, 5)}
SCATTERED = """g (float[b,s,4] x) => (float[b,s,4] y) <int64[2] flat = {{-1, 4}}, float low = {{-9}}> {{
    f = Reshape(x, flat)
    best = ArgMax<axis=-1, keepdims=1>(f)
    {updates}
    written = ScatterElements<axis=1{reduction}>(f, best, low_ones)
    left = ReduceMax<keepdims=1>(written, last)
    sizes = Shape(x)
    difference = Sub(f, left)
    y = Reshape(difference, sizes) }}""".replace("float low", "int64[1] last = {{1}}, float low")
UPDATES = {
    "a number": "bs = Shape(best) o = ConstantOfShape<value = float[1] {1.0}>(bs) low_ones = Mul(o, low)",
    "live": "low_ones = ReduceMin<keepdims=1>(f, last)",
}


def text(updates: str, reduction: str = "none") -> str:
    attribute = "" if reduction == "none" else f', reduction="{reduction}"'
    return SCATTERED.format(updates=UPDATES[updates], reduction=attribute)


@pytest.mark.parametrize("reduction", ["none", "add", "max"])
@pytest.mark.parametrize("updates", UPDATES)
def test_equals_onnxruntime(updates: str, reduction: str) -> None:
    check_onnx(text(updates, reduction), sizes=SIZES)


@pytest.mark.parametrize("updates", UPDATES)
def test_tokens_stay_apart(updates: str) -> None:
    report = converter.convert(graph(text(updates)), verify=False).report
    assert report.custom_layers == []
    assert "Reshape" not in report.operators


def test_data_longer_than_its_indices() -> None:
    longer = """g (float[b,s,4] x, float[1,s,2] u) => (float[b,s,4] y) <int64[1,1,2] z = {0, 2}> {
        sizes = Shape(u)  i = Expand(z, sizes)  y = ScatterElements<axis=2>(x, i, u) }"""
    check_onnx(longer, sizes=SIZES)


CUT = """g (float[b,t] x) => (float[b,m] y) <int64[1] most = {{4}}, int64[1] zero = {{0}}, int64[1] one = {{1}}> {{
    n = Shape<start=1, end=2>(x)  longest = Max(n, most)  more = Add(n, most)  m = Sub(more, longest)
    ones = ConstantOfShape<value = float[1] {{1.0}}>(m)  count = CumSum(ones, axis)  row = Unsqueeze(count, zero)
    s = ReduceSum<keepdims=1>(x, one)  y = Add(s, row) }}""".replace("int64[1] one", "int64 axis = {{0}}, int64[1] one")


def test_the_smaller_of_two_sizes_written_as_a_difference() -> None:
    """t + 4 - Max(t, 4): what ALiBi of transformers has for a table of 4 positions."""
    text = CUT.format()
    check_onnx(text, sizes={"b": (1, 2), "t": (2, 4, 7)})
    assert converter.convert(graph(text), verify=False).report.custom_layers == []
