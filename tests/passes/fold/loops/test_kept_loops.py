"""A Loop or a Scan whose turns are not known: one layer, whose body is a Keras model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import converter
from converter.errors import Unsupported
from tests.harness import check_onnx, graph

CELL = "s = Add(v, row) w = Tanh(s) out = Mul(w, half)"
SCAN = """g (float[n,t,4] x, float[n,4] h0) => (float[n,4] h, float[{shape}] y) <float half = {{0.5}}> {{
    {before}
    h, y = Scan<num_scan_inputs=1{axes}, body = b (float[n,4] v, float[n,4] row) => (float[n,4] w, float[n,4] out)
        {{ {cell} }}>(h0, {whole}) }}"""
ALONG = "scan_input_axes=[1], scan_output_axes=[{axis}], scan_input_directions=[{back}], scan_output_directions=[{out}]"
LOOP = """g (float[n,4] x{more}) => ({outputs}) <float half = {{0.5}}, float most = {{9.0}}, bool t = {{1}}, int64 many = {{{many}}}> {{
    {before}
    {names} = Loop({turns}, t, x) <body = b (int64 i, bool c, float[n,4] v) => (bool go, float[n,4] w{row}) {{
        {body} }}> }}"""  # noqa: E501
ROWS = {"outputs": "float[n,4] y, float[u,n,4] z", "names": "y, z", "row": ", float[n,4] r"}
SOME = "k0 = Abs(k) one = Constant<value_int=1>() k2 = Add(k0, one)"  # of no turn onnxruntime says another size
GROWS = "w = Add(v, v) a = Abs(w) s = ReduceMax<keepdims=0>(a) go = Less(s, most)"


def loop(**told: Any) -> str:
    plain = {"more": "", "outputs": "float[n,4] y", "names": "y", "row": "", "before": "", "many": 100, "turns": "many"}
    return LOOP.format(**{**plain, **told})


LOOPS = {
    "many": loop(body="w = Mul(v, half) go = Identity(c)"),
    "many-rows": loop(**ROWS, body="w = Mul(v, half) f = CastLike(i, v) r = Add(w, f) go = Identity(c)"),
    "live": loop(turns="k", more=", int64 k", body="w = Mul(v, half) go = Identity(c)"),
    "live-rows": loop(
        turns="k2", more=", int64 k", before=SOME, **ROWS, body="w = Mul(v, half) r = Neg(w) go = Identity(c)"
    ),
    "numbers": loop(turns="", body=GROWS),
    "numbers-rows": loop(**ROWS, body=f"{GROWS} r = Sin(v)"),
    "outside": loop(before="e = Exp(x) q = Softmax(e)", body="w = Add(v, q) go = Identity(c)"),
    "branches": loop(
        before="two = Constant<value_int=2>()",
        body="""e = Less(i, two) go = Identity(c)
        w = If(e) <then_branch = a () => (float[n,4] p) { p = Mul(v, half) },
                   else_branch = d () => (float[n,4] q) { q = Neg(v) }>""",
    ),
    "nested": loop(
        turns="k",
        more=", int64 k",
        body="""j = Add(i, i) go = Identity(c)
        w = Loop(j, t, v) <body = b2 (int64 i2, bool c2, float[n,4] v2) => (bool go2, float[n,4] w2) {
            a = Mul(v2, half) f = CastLike(i, v2) d = Add(a, f) w2 = Tanh(d) go2 = Identity(c2) }>""",
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loop(name: str) -> None:
    checked = check_onnx(LOOPS[name], sizes={"n": (1, 3)})
    assert [type(layer).__name__ for layer in checked.model.layers].count("Loop") == 1


@pytest.mark.parametrize("scale", [1, 100])
def test_a_first_condition(scale: int) -> None:
    """Where it does not hold there is no turn at all."""
    text = loop(before="m = ReduceMax<keepdims=0>(x) e = Less(m, most)", body=GROWS).replace("many, t, x", "many, e, x")
    rows = np.abs(np.random.default_rng(0).standard_normal((3, 4), np.float32)) + 1
    check_onnx(text, feeds=[{"x": scale * rows}])


def test_scan_over_open_time() -> None:
    text = SCAN.format(shape="t,n,4", before="xt = Transpose<perm=[1,0,2]>(x)", whole="xt", axes="", cell=CELL)
    check_onnx(text, sizes={"n": (1, 3), "t": (1, 2, 7)})


@pytest.mark.parametrize(("axis", "back", "out"), [(1, 0, 0), (1, 1, 0), (0, 0, 1), (2, 1, 1), (-1, 1, 0)])
def test_scan_along_axes_and_backwards(axis: int, back: int, out: int) -> None:
    sizes = ["n", "4"]
    sizes.insert(axis % 3, "t")
    axes = ", " + ALONG.format(axis=axis, back=back, out=out)
    text = SCAN.format(shape=",".join(sizes), before="", whole="x", axes=axes, cell=CELL)
    check_onnx(text, sizes={"n": (1, 3), "t": (1, 5)})


def test_images_go_through_the_body_channels_last() -> None:
    """The body is laid out by itself: its convolution is a Conv2D with the source's names."""
    text = """g (float[n,3,h,w] x, int64 k) => (float[n,3,h,w] y) <float[3,3,3,3] wt, float[3] bias = {1, 2, 3}, bool t = {1}> {
        y = Loop(k, t, x) <body = b (int64 i, bool c, float[n,3,h,w] v) => (bool go, float[n,3,h,w] o) {
            a = Conv<pads=[1,1,1,1]>(v, wt, bias) r = Sigmoid(a) o = Add(r, x) go = Identity(c) }> }"""  # noqa: E501
    numbers = ", ".join(str(0.01 * (i % 13 - 6)) for i in range(81))
    conversion = converter.convert(graph(text.replace("wt,", f"wt = {{{numbers}}},", 1)))
    assert conversion.verified
    assert {told["source"] for told in conversion.weights.values()} == {"wt", "bias"}
    assert conversion.report.transposes == 3  # in the body: its inputs and outputs are as in the source


def test_what_is_said_of_it() -> None:
    report = converter.convert(graph(LOOPS["numbers-rows"]), verify=False).report
    assert report.backends == ["tensorflow", "torch"]  # as many rows as numbers say
    assert [told["layer"] for told in report.custom_layers or ()] == ["Loop"]
    assert converter.convert(graph(LOOPS["numbers"]), verify=False).report.backends == ["tensorflow", "jax", "torch"]


def test_a_turn_that_is_returned_as_it_is() -> None:
    """onnxruntime gives the last one for all; the normalised graph is asked instead."""
    text = loop(turns="k", more=", int64 k", outputs="float[n,4] y, int64[u] z", names="y, z", body="w = Mul(v, half)")
    text = text.replace("(bool go, float[n,4] w)", "(bool c, float[n,4] w, int64 i)")
    assert converter.convert(graph(text)).verified


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (loop(turns="k", more=", int64 k", body="w = Concat<axis=0>(x, v) go = Identity(c)"), "changes its size"),
        (loop(turns="", **ROWS, body=f"{GROWS} r = Sin(v)"), "gathers a row of each turn"),
        (loop(turns="", body="w = Sin(v) go = Identity(c)"), "turns for ever"),
        (loop(many=2**40, body="w = Sin(v) go = Identity(c)"), "turns for ever"),
        (loop(many=2**24, body="w = Sin(v) go = Identity(c)"), "turns 16,777,216 times"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        converter.convert(graph(text.replace("float[n,4] v)", "float[a,4] v)").replace("float[n,4] w", "float[b,4] w")))
