"""raise_gelu: both forms in every order of their factors, near misses, shared steps, outputs."""

from __future__ import annotations

import pytest

from passes.fuse.gelu import FuseGelu
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

CONSTANTS = (
    "<float half = {0.5}, float one = {1}, float root = {1.4142135}, float inverse = {0.70710677}, float[1] two = {2},"
    " float[5] halves = {0.5, 0.5, 0.25, 0.5, 0.5},"
    " float three = {3}, float c = {0.044715}, float d = {0.7978846}, float rough = {0.7}>"
)
INNER = {
    "pow": "p = Pow(x, three)\n cp = Mul(p, c)\n s = Add(x, cp)\n u = Mul(s, d)",
    "products": "xx = Mul(x, x)\n p = Mul(xx, x)\n cp = Mul(c, p)\n s = Add(cp, x)\n u = Mul(d, s)",
    "factored": "cx = Mul(c, x)\n p = Mul(cx, x)\n s = Add(p, one)\n dx = Mul(x, d)\n u = Mul(dx, s)",
}
OUTER = {
    "x first": "a = Add(t, one)\n m = Mul(x, a)\n y = Mul(m, half)",
    "half first": "a = Add(one, t)\n m = Mul(half, a)\n y = Mul(m, x)",
    "half on x": "h = Mul(x, half)\n a = Add(t, one)\n y = Mul(h, a)",
    "divided": "a = Add(t, one)\n m = Mul(a, x)\n y = Div(m, two)",
}


def graph(body: str, outputs: str = "float[batch, 3, 5] y", before: str = "x = Identity(x0)") -> str:
    return f"g (float[batch, 3, 5] x0) => ({outputs}) {CONSTANTS} {{ {before}\n {body} }}"


def raised(text: str, modified: bool = True) -> list[str]:
    model = check_pass(FuseGelu(), settled(text), modified=modified)
    return [name for name in operators(model) if name != "Identity"]


@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
@pytest.mark.parametrize("scaled", ["u = Div(x, root)", "u = Mul(x, inverse)", "u = Mul(inverse, x)"])
def test_the_erf_form(scaled: str, outer: str) -> None:
    text = graph(f"{scaled}\n t = Erf(u)\n {outer}")
    assert raised(text) == ["Gelu"]
    model = check_pass(FuseGelu(), settled(text))
    assert model.graph.outputs[0].producer().attributes["approximate"].as_string() == "none"


@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_the_tanh_form(inner: str, outer: str) -> None:
    text = graph(f"{inner}\n t = Tanh(u)\n {outer}")
    assert raised(text) == ["Gelu"]
    model = check_pass(FuseGelu(), settled(text))
    assert model.graph.outputs[0].producer().attributes["approximate"].as_string() == "tanh"


def test_x_may_itself_be_a_product_or_a_sum() -> None:
    before = "x = Mul(x0, half)"
    erf = f"u = Div(x, root)\n t = Erf(u)\n {OUTER['x first']}"
    assert raised(graph(erf, before=before)) == ["Mul", "Gelu"]
    assert raised(graph(f"{INNER['pow']}\n t = Tanh(u)\n {OUTER['half first']}", before=before)) == ["Mul", "Gelu"]


@pytest.mark.parametrize(
    "body",
    [
        f"u = Div(x, two)\n t = Erf(u)\n {OUTER['x first']}",
        f"u = Mul(x, rough)\n t = Erf(u)\n {OUTER['x first']}",
        "u = Div(x, root)\n t = Erf(u)\n a = Add(t, half)\n m = Mul(x, a)\n y = Mul(m, half)",
        "u = Div(x, root)\n t = Erf(u)\n a = Add(t, one)\n y = Mul(x, a)",
        "u = Div(x, root)\n t = Erf(u)\n a = Add(t, one)\n m = Mul(x0, a)\n y = Mul(m, half)",
        "u = Div(x, root)\n t = Erf(u)\n a = Add(t, one)\n m = Mul(x, a)\n y = Mul(m, halves)",
        f"{INNER['pow'].replace('three', 'two')}\n t = Tanh(u)\n {OUTER['x first']}",
        f"{INNER['pow'].replace('s, d', 's, half')}\n t = Tanh(u)\n {OUTER['x first']}",
    ],
    ids=["other scale", "rough scale", "other sum", "no half", "other x", "many halves", "square", "other factor"],
)
def test_near_misses_stay(body: str) -> None:
    before = "x = Relu(x0)"
    assert "Gelu" not in raised(graph(body, before=before), modified=False)


@pytest.mark.parametrize("shared", ["u", "t", "a", "m"])
def test_a_shared_step_or_output_stays(shared: str) -> None:
    body = f"u = Div(x, root)\n t = Erf(u)\n {OUTER['x first']}"
    reads = graph(f"{body}\n z = Relu({shared})", "float[batch, 3, 5] y, float[batch, 3, 5] z")
    assert "Gelu" not in raised(reads, modified=False)
    outputs = graph(body, f"float[batch, 3, 5] y, float[batch, 3, 5] {shared}")
    assert "Gelu" not in raised(outputs, modified=False)


def test_x_may_be_shared_and_y_an_output_that_is_read() -> None:
    body = f"u = Div(x, root)\n t = Erf(u)\n {OUTER['half on x']}\n z = Add(x, y)"
    assert raised(graph(body, "float[batch, 3, 5] y, float[batch, 3, 5] z")) == ["Gelu", "Add"]
