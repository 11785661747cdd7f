"""Ifs whose branches differ in rank: taken is the one with which the rest of the graph can run."""

from __future__ import annotations

import numpy as np
import pytest

import converter
from passes.errors import Unsupported
from passes.shapes.branches import MOST_TRIED, Undecided, choose_branches
from passes.shapes.infer import InferShapes
from tests.harness import graph, operators

SQUEEZED = """g (float[1,2,t] x) => (float[1,n,2] y)
    <float[2,2,1] k = {1, 2, 3, 4}, float[1,8,2] w = {W}, float[1,8,2] r = {W}, int64 two = {2}, int64 one = {1}> {
    c = Conv<strides=[8], kernel_shape=[1]>(x, k)  sizes = Shape(c)  length = Gather(sizes, two)
    single = Equal(length, one)
    s = If(single) <then_branch = a () => (float[1,2] p)
                        { last = Constant<value = int64[1] {2}>()  p = Squeeze(c, last) },
                    else_branch = o () => (float[1,2,u] q) { q = Identity(c) }>
    front = Constant<value = int64[1] {0}>()  step = Unsqueeze(s, front)
    o, h, c2 = LSTM<hidden_size=2>(step, w, r)  y = Relu(h) }""".replace(
    "{W}", "{" + ", ".join(f"{x / 20:.2f}" for x in range(16)) + "}"
)


def test_the_branch_with_which_the_recurrent_net_can_run() -> None:
    model = graph(SQUEEZED)
    InferShapes()(model)
    assert "If" not in operators(model) and "Squeeze" in operators(model)
    conversion = converter.convert(graph(SQUEEZED))
    assert conversion.verified and conversion.report.custom_layers == []


def test_where_both_can_run_it_depends_on_the_input() -> None:
    text = SQUEEZED.replace("step = Unsqueeze(s, front)", "step = Exp(s)").replace(
        "o, h, c2 = LSTM<hidden_size=2>(step, w, r)  y = Relu(h)", "y = Relu(step)"
    )
    with pytest.raises(Unsupported, match="different ranks") as caught:
        InferShapes()(graph(text))
    assert "--input" in (caught.value.hint or "")


RATES = """g (float[1,2,t] x, int64 rate) => (float[1,n,2] y)
    <float[1,8,2] w = {W}, float[1,8,2] r = {W}, float[2,2,8] k1 = {K1},
     float[2,2,64] k2 = {K2}, int64 high = {16000}, int64 two = {2}, int64 one = {1}> {
    is_high = Equal(rate, high)
    y = If(is_high) <then_branch = a () => (float[1,m,2] h1) { BRANCH1 },
                     else_branch = o () => (float[1,k,2] h2) { BRANCH2 }> }"""

BRANCH = """
    pN = Conv<kernel_shape=[STRIDE], strides=[STRIDE]>(x, kN)  zN = Shape(pN)  lN = Gather(zN, two)  eN = Equal(lN, one)
    sN = If(eN) <then_branch = cN () => (float[1,2] uN)
                     { axN = Constant<value = int64[1] {2}>()  uN = Squeeze(pN, axN) },
                 else_branch = dN () => (float[1,2,v] vN) { vN = Identity(pN) }>
    frN = Constant<value = int64[1] {0}>()  stN = Unsqueeze(sN, frN)  oN, hN, cN2 = LSTM<hidden_size=2>(stN, w, r)
"""


def test_branches_inside_of_branches_on_a_mode() -> None:
    """A net for each sampling rate, each for its own length: computed is the one that is taken, and both are proven."""
    text = RATES.replace("{W}", "{" + ", ".join(f"{x / 20:.2f}" for x in range(16)) + "}")
    for number, stride in (("1", "8"), ("2", "64")):
        text = text.replace(f"BRANCH{number}", BRANCH.replace("N", number).replace("STRIDE", stride))
        kernel = ", ".join(f"{(x % 7 - 3) / 10:.1f}" for x in range(4 * int(stride)))
        text = text.replace(f"{{K{number}}}", f"{{{kernel}}}")
    conversion = converter.convert(graph(text))
    assert conversion.verified
    assert [layer["layer"] for layer in conversion.report.custom_layers] == ["If"]
    cases = conversion.report.verification["cases"]
    assert {case["shape"]["x"][2] for case in cases} >= {8, 64}
    assert "rate = 8000" in {case["note"] for case in cases}


def test_the_search_has_an_end() -> None:
    tried = 0
    model = graph("g (bool c, float[n] x) => (float[m] y) { y = If(c) <then_branch = a () => (float[n] p) "
                  "{ p = Exp(x) }, else_branch = o () => (float[n] q) { q = Neg(x) }> }")  # fmt: skip

    def walk(copy: object, choices: object) -> None:
        nonlocal tried
        tried += 1
        node = next(iter(model.graph))
        undecided = Undecided(node)
        undecided.key = f"if {tried}"
        raise undecided

    with pytest.raises(Unsupported, match="different ranks"):
        choose_branches(model, walk)
    assert tried <= 2 * MOST_TRIED


def test_numbers_that_a_mode_may_be() -> None:
    from converter.proof.inputs.arrays import choices_of, feeds
    from converter.proof.inputs.cases import plan

    model = graph("g (int64 rate, float[n] x) => (float[n] y) { high = Constant<value = int64 {16000}>() "
                  "c = Equal(rate, high)  f = Cast<to=1>(c)  y = Mul(x, f) }")  # fmt: skip
    inputs = list(model.graph.inputs)
    assert choices_of(inputs[0]) == [16000, 8000] and choices_of(inputs[1]) == []
    drawn = [feeds(inputs, case)["rate"] for case in plan(inputs)]
    assert set(np.array(drawn).tolist()) == {16000, 8000}
