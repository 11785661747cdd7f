"""What the oracle does not know itself, what a comparison proves, and the precision on the way to an output."""

from __future__ import annotations

import numpy as np
import pytest

import converter
from converter.proof.compare import FLOAT16, by_spread, compare
from converter.proof.noise import PROVING, uncertainty, weighed
from converter.proof.oracle import Oracle
from converter.proof.precision import tolerances_of
from passes.shapes.infer import InferShapes
from tests.harness import graph

CANCELS = "g (float[1,64] x) => (float[1,64] y) <float big = {1000000}> { a = Mul(x, big)  y = Sin(a) }"


def test_a_graph_that_turns_rounding_into_its_output_is_uncertain() -> None:
    x = {"x": np.random.default_rng(0).normal(size=(1, 64)).astype(np.float32)}
    for text, least, most in ((CANCELS, 0.01, 2.0), ("g (float[1,64] x) => (float[1,64] y) { y = Sin(x) }", 0.0, 1e-6)):
        oracle = Oracle(graph(text))
        (found,) = uncertainty(oracle, x, oracle.run(x))
        assert least <= found <= most


@pytest.mark.parametrize(
    ("difference", "noise", "passed", "ill"),
    [(2e-3, 1e-3, True, False), (4e-3, 1e-3, False, False), (0.1, 0.05, False, True), (0.5, 0.05, False, False)],
)
def test_three_times_the_uncertainty_and_never_more_than_a_hundredth(
    difference: float, noise: float, passed: bool, ill: bool
) -> None:
    reference = np.linspace(-1, 1, 50, dtype=np.float32)
    found = weighed(compare(reference, reference + np.float32(difference)), reference, noise)
    assert (found.passed, found.ill_conditioned) == (passed, ill)


def test_an_output_that_hardly_moves_is_held_to_its_spread() -> None:
    reference = np.float32(1) + np.linspace(0, 1e-5, 50, dtype=np.float32)
    zeros = by_spread(compare(reference, np.ones_like(reference)), PROVING)
    assert not zeros.passed
    assert "moves by" in zeros.reason
    assert by_spread(compare(reference, reference), PROVING).passed


def test_the_lowest_precision_on_the_way_counts() -> None:
    model = graph(
        "g (float[4] x) => (float[4] y, float[4] z) { h = Cast<to=10>(x) a = Exp(h) y = Cast<to=1>(a) z = Exp(x) }"
    )
    InferShapes()(model)
    assert tolerances_of(model.graph) == {"y": FLOAT16}


def test_a_head_of_zeros_is_proven_by_what_is_before_it() -> None:
    """Whatever the inputs are, the output is 0: the layers are compared, and the report says so."""
    weights = ", ".join(["0"] * 8)
    text = f"""g (float[batch,4] x) => (float[batch,2] y) <float[4,2] w = {{{weights}}}> {{
        a = Tanh(x)  b = Exp(a)  y = MatMul(b, w) }}"""
    report = converter.convert(graph(text)).report
    assert report.verification is not None
    assert report.verification["passed"]
    assert report.verification["inner"]["passed"]
    assert "y" in report.verification["unproven"]
    assert any("unproven" in note for note in report.notes)
