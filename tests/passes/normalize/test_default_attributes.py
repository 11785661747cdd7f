"""Attributes that a node leaves out are written out; Softmax & co. of old opsets are what they mean."""

from __future__ import annotations

import pytest

from passes.normalize.default_attributes import ExplicitDefaults
from tests.harness import check_pass, graph, operators
from tests.settling import settle


def test_defaults_are_written_out_and_what_is_said_stays() -> None:
    text = """g (float[batch, 4, 6, 6] x) => (float[batch, 4, 6, 6] y) <float[4] s = {1, 2, 3, 4}> {
        n = BatchNormalization<epsilon=0.5>(x, s, s, s, s)  y = LeakyRelu(n)
    }"""
    norm, relu = check_pass(ExplicitDefaults(), text, modified=True).graph
    assert {name: norm.attributes[name].value for name in norm.attributes} == {
        "epsilon": 0.5,
        "momentum": pytest.approx(0.9),
        "training_mode": 0,
    }
    assert relu.attributes["alpha"].value == pytest.approx(0.01)


def test_subgraphs_have_defaults_too() -> None:
    model = graph(
        """g (float[2] x, bool c) => (float[2] y) {
            y = If (c) <then_branch = a () => (t) { t = Elu(x) }, else_branch = b () => (e) { e = Neg(x) }>
        }"""
    )
    assert ExplicitDefaults()(model).modified
    assert model.graph[0].attributes["then_branch"].as_graph()[0].attributes["alpha"].value == 1.0


def test_private_operators_are_left_alone() -> None:
    model = graph("g (float[2, 4] x) => (float[2, 4] y) { y = keraport.Silu(x) }")
    assert not ExplicitDefaults()(model).modified


@pytest.mark.parametrize(
    ("x", "call", "expected"),
    [
        ("batch, 10", "Softmax(x)", ["Softmax"]),
        ("batch, 10, 1, 1", "Softmax<axis=1>(x)", ["Softmax"]),
        ("1, 1, 10", "LogSoftmax<axis=0>(x)", ["LogSoftmax"]),
        ("batch, 3, 4", "Softmax(x)", ["Reshape", "Softmax", "Reshape"]),
        ("batch, 3, 4", "Softmax<axis=2>(x)", ["Softmax"]),
        ("batch, 3, 4", "Hardmax<axis=0>(x)", ["Reshape", "Hardmax", "Reshape"]),
    ],
)
def test_a_softmax_of_an_old_opset_is_one_node_where_it_can_be(x: str, call: str, expected: list[str]) -> None:
    """The shape is known only after inference: no file says what Relu gives."""
    text = f"""<ir_version: 8, opset_import: ["" : 11]>
    g (float[{x}] a) => (float[{x}] y) {{ x = Relu(a)  y = {call} }}"""
    assert operators(settle(graph(text))) == ["Relu", *expected]
