"""Lookups whose axes lie in another order than they are wanted: columns of a table, windows of a sequence."""

from __future__ import annotations

import math

import pytest

from converter.backends.keras.nesting.levels import count_transposes, operations
from tests.harness import check_onnx

SIZES = {"b": (1, 3), "t": (1, 4)}

BIAS = """g (int64[t,t] at, float[b,t,4] x{inputs}) => (float[b,4,t,t] y{outputs})
    <float[5,4] table = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2}}, int64[1] zero = {{0}}> {{
    e = Gather<axis=0>(table, at) p = Transpose<perm={perm}>(e) u = Unsqueeze(p, zero) {body} }}"""
PLAIN = 's = Einsum<equation="bth,bsh->bhts">(x, x) y = Add(s, u)'


def test_a_bias_by_distance() -> None:
    """Of every pair of places a row of numbers, one for each head."""
    text = BIAS.format(inputs="", outputs="", perm="[2,0,1]", body=PLAIN)
    model = check_onnx(text, sizes=SIZES, layout="source").model
    assert count_transposes(model) == 0
    held = [variable.shape for made in operations(model).values() for variable in getattr(made, "variables", ())]
    assert [math.prod(shape) for shape in held] == [20]


@pytest.mark.parametrize(
    ("outputs", "perm", "body"),
    [
        ("", "[2,1,0]", PLAIN),
        (", float[t,t,4] z", "[2,0,1]", PLAIN + " z = Neg(e)"),
        (", float[t,t,4] z", "[2,0,1]", PLAIN + " f = Gather<axis=0>(table, at) z = Neg(f)"),
    ],
)
def test_other_lookups(outputs: str, perm: str, body: str) -> None:
    """Places the other way about, what is looked up is read, the table is."""
    check_onnx(BIAS.format(inputs="", outputs=outputs, perm=perm, body=body), sizes=SIZES, layout="source")


IMAGE = """g (float[b,3,h,w] x, int64[h,w] at) => (float[b,3,h,w] y)
    <float[3,3,1,1] k = {1, 2, 3, 4, 5, 6, 7, 8, 9}, float[5,3] table = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6},
     int64[1] zero = {0}> {
    c = Conv(x, k) e = Gather<axis=0>(table, at) p = Transpose<perm=[2,0,1]>(e) u = Unsqueeze(p, zero)
    a = Add(c, u) y = Relu(a) }"""


def test_places_of_an_image() -> None:
    """What is looked up lies as the image does: rows stay rows."""
    checked = check_onnx(IMAGE, sizes={"b": (1, 2), "h": (2, 3), "w": (1, 4)})
    assert count_transposes(checked.model) == 0


WINDOWS = """g (float[b,t,6] x, float[b,t,3] w) => (float[b,6,t] y)
    <int64[3] around = {{0, 1, 2}}, int64[2,1] columns = {{0, 1}}, int64[1] first = {{0}}, int64[1] second = {{1}},
     int64[1] last = {{3}}, int64[1,1] only = {{{only}}}, int64 start = {{0}}, int64 step = {{1}}, int64 size = {{2}},
     int64[8] pads = {{0, 0, 1, 0, 0, 0, 1, 0}}, int64[3,1] shift = {{0, 1, 2}}, int64[4] kept = {{0, 0, 3, -1}}> {{
    p = Transpose<perm=[0,2,1]>(x) u = Unsqueeze(p, last) s = Shape(u) n = Gather<axis=0>(s, size)
    r = Range(start, n, step) f = Unsqueeze(r, first) at = Add(f, shift) padded = Pad(u, pads)
    g1 = Gather<axis=2>(padded, at) g2 = Gather<axis=4>(g1, only) f2 = Reshape(g2, kept)
    v = Transpose<perm=[0,3,1,2]>(f2) q = Unsqueeze(w, last) m = MatMul(v, q) o = Squeeze(m, last)
    y = Transpose<perm=[0,2,1]>(o) }}"""


@pytest.mark.parametrize("only", [0, -1])
@pytest.mark.parametrize("layout", ["source", "channels_last"])
def test_windows_of_a_sequence(only: int, layout: str) -> None:
    """As torch's unfold is written: at a table of places, and along an axis of 1 at the only one."""
    checked = check_onnx(WINDOWS.format(only=only), sizes=SIZES, layout=layout)
    assert count_transposes(checked.model) == 0
