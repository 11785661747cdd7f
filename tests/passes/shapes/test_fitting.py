"""Sizes that are at least what the windows of a graph need: arithmetic that torch writes of them is known then."""

from __future__ import annotations

import json

import pytest

import converter
from passes.dims.bounds import solved
from passes.dims.least import known_lower_bound, known_sizes, least_for
from passes.dims.parse import parse
from passes.shapes.fitting import LEAST_KEY, demanded_sizes
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, graph

COUNTED = """g (float[b,1,t] x) => (float[b,2,m] y)
    <float[2,1,10] w = {WEIGHTS}, int64 ten = {-10}, int64 five = {5}, int64 one = {1}, int64 zero = {0}> {
    sizes = Shape<start=2, end=3>(x)  t = Squeeze(sizes)  less = Add(ten, t)  frames = Div(less, five)
    count = Add(frames, one)  place = Range(zero, count, one)  place_float = Cast<to=1>(place)
    c = Conv<strides=[5], kernel_shape=[10]>(x, w)  y = Add(c, place_float) }""".replace(
    "WEIGHTS", ", ".join(f"{number / 10}" for number in range(20))
)


def test_frames_counted_before_the_convolution_are_those_of_it() -> None:
    """A division towards zero is one downwards, since less than one window is no input."""
    model = graph(COUNTED)
    InferShapes()(model)
    assert json.loads(model.metadata_props[LEAST_KEY]) == {"t": 10}
    shapes = {output.name: output.shape for node in model.graph for output in node.outputs}
    assert str(shapes["place"][0]) == str(shapes["c"][2]) == "floor(t/5) - 1"
    assert not InferShapes()(model).modified
    check_onnx(COUNTED, sizes={"b": (1, 2), "t": (10, 14, 23)})
    assert converter.convert(graph(COUNTED), verify=False).report.custom_layers == []


@pytest.mark.parametrize("other", ["Neg(x)", "Conv<kernel_shape=[3]>(x, w)"], ids=["kept", "merged"])
def test_where_it_depends_what_runs_nothing_follows(other: str) -> None:
    """An input too short for the window may take the other branch."""
    model = graph(f"""g (float[1,1,t] x, bool c) => (float[1,1,m] y) <float[1,1,3] w = {{1, 2, 3}}> {{
        y = If(c) <then_branch = a () => (float[1,1,p] p) {{ p = Conv<kernel_shape=[3]>(x, w) }},
                   else_branch = o () => (float[1,1,q] q) {{ q = {other} }}> }}""")
    InferShapes()(model)
    assert model.metadata_props[LEAST_KEY] == "{}"


@pytest.mark.parametrize(
    ("size", "least"),
    [
        ("floor(t/64 - 63/64)", ("t", 127)),
        ("floor(floor(t/5)/2) - 3", ("t", 40)),
        ("t", None),
        ("h*w - 3", None),
        ("2 - t", None),
        ("7", None),
    ],
)
def test_the_least_size(size: str, least: tuple[str, int] | None) -> None:
    assert least_for(parse(size)) == least


def test_what_is_known_holds_within() -> None:
    size = parse("t - 127")
    with known_sizes({"t": 127}):
        assert known_lower_bound(size) == 0
    assert known_lower_bound(size) == -126


ONE_ROW = """g (float[b,1,h,w] x) => (float[b,2,m] y)
    <int64[4] row = {0, 1, 1, -1}, int64[1] third = {2}> {
    p = MaxPool<kernel_shape=[4, 2], strides=[4, 2]>(x)  r = Reshape(p, row)  c = Concat<axis=1>(p, r)
    s = Squeeze(c, third)  y = Relu(s) }"""
"""Runs where floor(h/4) is 1."""


def test_what_has_to_be_a_number_is_that_number_in_products_too() -> None:
    model = graph(ONE_ROW)
    InferShapes()(model)
    assert {str(size): number for size, number in demanded_sizes(model).items()} == {"floor(h/4)": 1}
    shapes = {output.name: str(output.shape) for node in model.graph for output in node.outputs}
    assert shapes == dict.fromkeys("p", "[b,1,1,floor(w/2)]") | dict.fromkeys("r", "[b,1,1,floor(w/2)]") | {
        "c": "[b,2,1,floor(w/2)]",
        "s": "[b,2,floor(w/2)]",
        "y": "[b,2,floor(w/2)]",
    }
    assert not InferShapes()(model).modified


def test_sizes_are_tried_that_come_to_what_is_demanded() -> None:
    """Keras has the axis open, which it would not squeeze."""
    check_onnx(ONE_ROW, sizes={"b": (1, 2), "h": (4, 6, 7), "w": (2, 9)})
    result = converter.convert(graph(ONE_ROW))
    assert result.verified and result.report.transposes == 0 and result.report.custom_layers == []
    sizes = [case["shape"]["x"][2:] for case in result.report.verification["cases"]]
    assert {height for height, _ in sizes} == {7} and len({width for _, width in sizes}) == 3


def test_nothing_is_demanded_where_it_depends_what_runs() -> None:
    model = graph("""g (float[1,1,h,w] x, bool c) => (float[1,2,1,m] y) <int64[4] row = {0, 1, 1, -1}> {
        p = MaxPool<kernel_shape=[4, 2], strides=[4, 2]>(x)  r = Reshape(p, row)
        y = If(c) <then_branch = a () => (float[1,2,1,m] u) { u = Concat<axis=1>(p, r) },
                   else_branch = o () => (float[1,2,1,m] v) { v = Concat<axis=1>(r, r) }> }""")
    InferShapes()(model)
    assert not demanded_sizes(model)


@pytest.mark.parametrize(
    ("size", "number", "text"),
    [("floor(h/4) - 2", 1, "floor(h/4) is 3"), ("floor(h/4)", 1, "floor(h/4) is 1"), ("h - 2", 1, ""), ("7", 7, ""),
     ("2*floor(h/4)", 2, ""), ("w*floor(h/4)", 2, ""), ("floor(h/4) + w", 2, "")],
)  # fmt: skip
def test_what_a_function_has_to_be(size: str, number: int, text: str) -> None:
    found = solved(parse(size), number)
    assert text == ("" if found is None else f"{found[0].text} is {found[1]}")
