"""Heads of detectors: levels of features joined as tokens, and a distribution over distances from each of them."""

from __future__ import annotations

import pytest

import converter
from converter.backends.keras.nesting.levels import count_transposes
from tests.harness import check_onnx, graph

SIZES = {"n": (1, 2), "h": (4, 7), "w": (4, 5)}

LEVELS = """g (float[{n},3,{h},{w}] x) => (float[{n},{tokens},5] y)
    <float[5,3,1,1] k = {{{weights}}}, int64[3] tokens = {{0, 5, -1}}> {{
    a = Conv(x, k)  small = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x)  b = Conv(small, k)
    ta = Reshape(a, tokens)  tb = Reshape(b, tokens)  c = Concat<axis=2>(ta, tb)  y = Transpose<perm=[0,2,1]>(c) }}"""

WEIGHTS = ", ".join(f"{(x % 5 - 2) / 4}" for x in range(15))


@pytest.mark.parametrize(
    ("sizes", "tried"),
    [({"n": "n", "h": "h", "w": "w", "tokens": "t"}, SIZES), ({"n": "1", "h": "6", "w": "4", "tokens": "30"}, {})],
    ids=["open", "fixed"],
)
def test_levels_are_joined_as_tokens_where_they_lie(sizes: dict[str, str], tried: dict[str, tuple[int, ...]]) -> None:
    checked = check_onnx(LEVELS.format(weights=WEIGHTS, **sizes), sizes=tried)
    assert count_transposes(checked.model) == 0


DISTANCES = """g (float[n,t,8] i) => (float[n,u,2] y)
    <int64[4] bins = {0, 2, 4, -1}, int64[3] flat = {0, 2, -1}, float[1,4,1,1] k = {0, 1, 2, 3}> {
    x = Transpose<perm=[0,2,1]>(i)  d = Reshape(x, bins)  f = Transpose<perm=[0,2,1,3]>(d)  s = Softmax<axis=1>(f)
    e = Conv<OPTIONS>(s, k)  o = Reshape(e, flat)  y = Transpose<perm=[0,2,1]>(o) }"""


def test_a_window_of_one_element_does_not_mind_the_order_of_rows_and_columns() -> None:
    """The tokens lie before the sides of the box: [n, t, 2, 4]."""
    checked = check_onnx(DISTANCES.replace("<OPTIONS>", ""), sizes={"n": (1, 2), "t": (3, 6)})
    assert count_transposes(checked.model) == 0


def test_a_larger_window_does() -> None:
    text = DISTANCES.replace("<OPTIONS>", "<strides=[1,2]>")
    check_onnx(text, sizes={"n": (1, 2), "t": (4, 6)})
    conversion = converter.convert(graph(text))
    assert conversion.verified
