"""Heads that share keys are repeated beside each other, and no axis changes places for it."""

from __future__ import annotations

import pytest

from converter.backends.keras.nesting.levels import count_transposes
from tests.harness import check_onnx

TEXT = """g (float[b,t,{width}] x) => (float[b,t,{wide}] y)
    <int64[4] heads = {{0, 0, {heads}, 4}}, int64[1] two = {{2}}, int64[5] copies = {{1, 1, {copies}, 1, 1}},
     int64[4] joined = {{0, {all}, -1, 4}}, int64[3] flat = {{0, 0, {wide}}}> {{
    h = Reshape(x, heads) k = Transpose<perm=[0,2,1,3]>(h) s = Sin(k) u = Unsqueeze(s, two) e = Expand(u, copies)
    r = Reshape(e, joined) back = Transpose<perm=[0,2,1,3]>(r) y = Reshape(back, flat) }}"""


@pytest.mark.parametrize(("heads", "copies"), [(2, 3), (3, 1), (4, 2)])
def test_repeated_heads(heads: int, copies: int) -> None:
    count = heads * copies
    text = TEXT.format(width=4 * heads, wide=4 * count, heads=heads, copies=copies, all=count)
    checked = check_onnx(text, sizes={"b": (1, 2), "t": (1, 5)}, layout="source")
    assert count_transposes(checked.model) == 0


def test_an_axis_that_several_make_up() -> None:
    """The copies come behind the last of them."""
    text = """g (float[b,3,2,5] x) => (float[b,6,4,5] y) <int64[4] one = {0, 1, 6, 5}, int64[4] four = {1, 4, 1, 1}> {
        t = Transpose<perm=[0,2,1,3]>(x) r = Reshape(t, one) e = Expand(r, four) y = Transpose<perm=[0,2,1,3]>(e) }"""
    check_onnx(text, sizes={"b": (1, 3)}, layout="source")


def test_two_axes_at_once() -> None:
    text = """g (float[b,3,5] x) => (float[b,5,2,3,4] y) <int64[2] at = {2, 4}, int64[5] sizes = {1, 1, 2, 1, 4}> {
        t = Transpose<perm=[0,2,1]>(x) c = Cos(t) u = Unsqueeze(c, at) y = Expand(u, sizes) }"""
    check_onnx(text, sizes={"b": (1, 3)}, layout="source")
