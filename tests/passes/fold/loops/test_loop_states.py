"""States of a Loop as PaddlePaddle writes them: placeholders of any size, and scalars with an axis here and there."""

from __future__ import annotations

from typing import Any

import pytest

import converter
from converter.errors import Unsupported
from tests.harness import check_onnx, graph

DECODER = """g (float[n,4] x{given}) => ({outputs})
    <float half = {{0.5}}, float none = {{0.0}}, float least = {{0.15}}, float[1] one = {{0.0}}, bool no = {{0}},
     bool[1] never = {{0}}, bool go = {{1}}, int64 zero = {{0}}, int64[1] last = {{1}}, int64 step = {{1}},
     int64 many = {{5}}> {{
    p, s, u, f, k = Loop({turns}, {first}, {placeholder}, x, one, no, zero) <
        body = b (int64 i, bool c, float[] pi, float[n,4] si, float[1] ui, bool fi, int64 ki)
            => (bool on, float[n,4] po, float[n,4] so, float[n,1] uo, bool fo, int64 ko) {{
        scaled = Mul(si, half)  so = Tanh(scaled)  po = Add(so, {of})
        uo = ReduceMax(so, last)  whole = Abs(so)  greatest = ReduceMax<keepdims = 0>(whole)
        small = Less(greatest, least)
        done = If(small) <then_branch = a () => (bool q) {{ q = Constant<value = bool {{1}}>() }},
                          else_branch = d () => (bool[1] r) {{ r = Or(fi, never) }}>
        fo = Or(done, never)  ko = Add(ki, step)  few = Less(ko, many)
        not = Not(done)  both = And(few, not)  on = Or(both, never) }}>
    {after} }}"""


def decoder(**told: Any) -> str:
    plain = {
        "given": "",
        "outputs": "float[n,4] y, int64 k",
        "turns": "",
        "first": "go",
        "placeholder": "none",
        "of": "half",
        "after": "y = Neg(p)",
    }
    return DECODER.format(**{**plain, **told})


DECODERS = {
    "until-done": decoder(),
    "with-an-axis": decoder(placeholder="one"),
    "many-turns": decoder(turns="many"),
    "states-that-nobody-reads": decoder(outputs="float[n,4] y", after="y = Neg(s)"),
    "the-scalar-is-read-after": decoder(outputs="float[n,4] y, bool[1] e", after="y = Neg(p) e = Or(f, never)"),
}


@pytest.mark.parametrize("name", DECODERS)
def test_decoder(name: str) -> None:
    check_onnx(DECODERS[name], sizes={"n": (1, 2, 3)}, seeds=(0, 1))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (decoder(given=", bool b", first="b"), "po"),  # without a turn it is the placeholder
        (decoder(given=", int64 t", turns="t"), "po"),
        (decoder(of="pi"), "po"),  # which is read
        (decoder(outputs="float[n,4] y, int64[w] e", after="y = Neg(p) e = Shape(f)"), "fo"),  # its axes are asked for
        (decoder(outputs="float[n,4] y, bool e", after="y = Neg(p) e = Not(f)"), "fo"),  # they are seen in the end
    ],
)
def test_what_a_placeholder_may_be_seen_in_is_refused(text: str, state: str) -> None:
    with pytest.raises(Unsupported, match=f"whose state '{state}' changes its size|different ranks"):
        converter.convert(graph(text), verify=False)


BRANCHES = """g (float[n,3] x, bool c) => ({outputs}) <bool[1] w = {{1}}, float[1] two = {{2.0}}> {{
    s = If(c) <then_branch = a () => (float[1] p) {{ m = ReduceMax(x) z = Abs(m) o = Squeeze(z) axis = Constant<value = int64[1] {{0}}>() p = Unsqueeze(o, axis) }},
               else_branch = d () => (float q) {{ n = ReduceMin(x) q = Squeeze(n) }}>
    {after} }}"""  # noqa: E501


def test_a_number_of_either_branch() -> None:
    check_onnx(BRANCHES.format(outputs="float[n,3] y", after="y = Mul(x, s)"), sizes={"n": (1, 3)}, seeds=(0, 1, 2))


def test_a_number_whose_axes_are_asked_for() -> None:
    with pytest.raises(Unsupported, match="different ranks"):
        converter.convert(graph(BRANCHES.format(outputs="int64[r] y", after="y = Shape(s)")), verify=False)


def test_a_number_that_picks_a_row() -> None:
    """Beside another tensor, and yet its axis is one of the result."""
    text = BRANCHES.format(outputs="float[r,3] y", after="place = Cast<to = 7>(s) y = Gather(x, place)")
    with pytest.raises(Unsupported, match="different ranks"):
        converter.convert(graph(text), verify=False)


def test_a_branch_that_numbers_decide_on_is_not_chosen() -> None:
    """What comes after it runs with one of them only: it is the source that stops at the other's numbers."""
    text = """g (float[t,b,2] x, bool c) => (float[t,1,b,1] y) <float[1,3,2] w = {1, 2, 3, 4, 5, 6}, float[1,3,1] r = {1, 2, 3}> {
        s = If(c) <then_branch = a () => (float[t,b,2] p) { p = Neg(x) },
                   else_branch = d () => (float[t,b,2,1] q) { axis = Constant<value = int64[1] {3}>() q = Unsqueeze(x, axis) }>
        y = GRU<hidden_size = 1>(s, w, r) }"""  # noqa: E501
    with pytest.raises(Unsupported, match="different ranks, and which is taken depends on the input"):
        converter.convert(graph(text), verify=False)
