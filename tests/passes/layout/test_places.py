"""Axes taken apart whose parts are all open: rows are gathered, in plain Keras."""

from __future__ import annotations

import pytest

import converter
from tests.harness import check_onnx, graph

CASES = {
    "apart": ("float[b,h,w,4] x", "t = Reshape(x, rows) n = Neg(t) s = Shape(x) y = Reshape(n, s)", "float[b,h,w,4] y"),
    "another's sizes": (
        "float[b,h,w,1] like, float[b,n,3] x",
        "s = Shape<start=0, end=3>(like) d = Concat<axis=0>(s, three) y = Reshape(x, d)",
        "float[b,h,w,3] y",
    ),
    "windows": (
        "float[b,h,w,4] x",
        """s = Shape<start=0, end=1>(x) hh = Shape<start=1, end=2>(x) ww = Shape<start=2, end=3>(x)
        h2 = Div(hh, two) w2 = Div(ww, two) d = Concat<axis=0>(s, h2, two, w2, two, four) p = Reshape(x, d)
        q = Transpose<perm=[0,1,3,2,4,5]>(p) r = Sin(q) y = Reshape(r, windows)""",
        "float[c,4,4] y",
    ),
}
TEXT = """g ({inputs}) => ({output})
    <int64[3] rows = {{0, -1, 4}}, int64[1] two = {{2}}, int64[1] three = {{3}}, int64[1] four = {{4}},
     int64[3] windows = {{-1, 4, 4}}> {{ {body} }}"""
SIZES = {"b": (1, 3), "h": (4, 6), "w": (2, 8)}


def text(name: str) -> str:
    inputs, body, output = CASES[name]
    return TEXT.format(inputs=inputs, body=body, output=output)


@pytest.mark.parametrize("name", ["apart", "windows"])
@pytest.mark.parametrize("layout", ["source", "channels_last"])
def test_equals_onnxruntime(name: str, layout: str) -> None:
    check_onnx(text(name), sizes=SIZES, layout=layout)


@pytest.mark.parametrize("name", CASES)
def test_they_need_no_layer_of_ours(name: str) -> None:
    assert converter.convert(graph(text(name)), verify=False, layout="source").report.custom_layers == []


def test_single_numbers_are_not_gathered() -> None:
    """There a layer that names the sizes is faster by far."""
    single = """g (float[b,h,w] x) => (float[b,h,w] y) <int64[2] row = {0, -1}, int64 one = {1}> {
        t = Reshape(x, row) n = CumSum(t, one) s = Shape(x) y = Reshape(n, s) }"""
    report = converter.convert(graph(single), verify=False).report
    assert [told["layer"] for told in report.custom_layers or ()] == ["ComputedReshape"]
