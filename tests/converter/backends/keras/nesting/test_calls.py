"""The nodes of a module fall into its calls where these do the same on other values, and else stay together."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from converter.backends.keras.nesting.calls import calls_of, feeds_itself
from passes.graph.weight_views import MarkWeights
from passes.shapes.infer import InferShapes
from tests.harness import graph

INPUTS = "float[b, 3] x, float[b, 3] u, float[b, 3] z, float[2, 3] two, float[5, 3] five"
CONSTANTS = """float[3, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}, float[3, 3] v = {1, 2, 3, 4, 5, 6, 7, 8, 9},
    int64[1] zero = {0}, int64[1] nought = {0}, int64[1] one = {1}"""
CALLS = {
    "equal": ("a = MatMul(x, w)  c = Relu(a)  d = MatMul(u, w)  e = Relu(d)", 2),
    "one after the other": ("a = MatMul(x, w)  c = Relu(a)  d = MatMul(c, w)  e = Relu(d)", 2),
    "side by side": ("a = MatMul(x, w)  d = MatMul(u, w)  c = Relu(a)  e = Relu(d)", 2),
    "three": ("a = MatMul(x, w)  d = MatMul(u, w)  e = MatMul(z, w)", 3),
    "other attributes": ("a = MatMul(x, w)  c = Elu<alpha=0.5>(a)  d = MatMul(u, w)  e = Elu<alpha=0.6>(d)", 1),
    "an attribute less": ("a = MatMul(x, w)  c = Elu<alpha=0.5>(a)  d = MatMul(u, w)  e = Elu(d)", 1),
    "another operator": ("a = MatMul(x, w)  c = Relu(a)  d = MatMul(u, w)  e = Neg(d)", 1),
    "wired otherwise": (
        "a = MatMul(x, w)  c = Relu(a)  p = Sub(a, c)  d = MatMul(u, w)  e = Relu(d)  q = Sub(e, d)",
        1,
    ),
    "from outside instead": ("a = MatMul(x, w)  c = Relu(a)  d = MatMul(u, w)  e = Relu(z)", 1),
    "two inputs": ("a = MatMul(x, w)  c = Sub(a, z)  d = MatMul(z, w)  e = Sub(d, x)", 2),
    "one for two": ("a = MatMul(x, w)  c = Sub(a, z)  d = MatMul(u, w)  e = Sub(d, u)", 1),
    "two for one": ("a = MatMul(x, w)  c = Sub(a, x)  d = MatMul(u, w)  e = Sub(d, z)", 1),
    "equal constants": ("a = MatMul(x, w)  c = Unsqueeze(a, zero)  d = MatMul(u, w)  e = Unsqueeze(d, nought)", 2),
    "other constants": ("a = MatMul(x, w)  c = Unsqueeze(a, zero)  d = MatMul(u, w)  e = Unsqueeze(d, one)", 1),
    "weights that are equal": ("a = MatMul(x, w)  d = MatMul(u, v)", 1),
    "other sizes": ("a = MatMul(two, w)  d = MatMul(five, w)", 1),
    "open and fixed": ("a = MatMul(x, w)  d = MatMul(five, w)", 1),
    "no weights": ("a = Relu(x)  d = Relu(u)", 1),
}


def nodes(body: str) -> list[ir.Node]:
    model = graph(f"g ({INPUTS}) => (float y) <{CONSTANTS}> {{ {body}  y = Shape(x) }}")
    MarkWeights()(model)
    for name in ("w", "v"):
        model.graph.initializers[name].metadata_props["keraport.weight"] = f'{{"name": "{name}", "view": []}}'
    InferShapes()(model)
    return list(model.graph)[:-1]


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_told_apart(name: str) -> None:
    body, count = CALLS[name]
    given = nodes(body)
    calls = calls_of(given)
    assert len(calls) == count
    assert sorted((node.outputs[0].name or "") for call in calls for node in call) == sorted(
        node.outputs[0].name or "" for node in given
    )
    assert len({tuple(node.op_type for node in call) for call in calls}) == 1


def test_a_call_on_what_another_gave() -> None:
    assert feeds_itself(calls_of(nodes(CALLS["one after the other"][0])))
    assert not feeds_itself(calls_of(nodes(CALLS["equal"][0])))
