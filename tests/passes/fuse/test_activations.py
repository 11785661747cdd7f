"""raise_activations: SiLU, Mish, HardSigmoid, HardSwish and Softplus."""

from __future__ import annotations

import pytest

from passes.fuse.activations import FuseActivations
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

CONSTANTS = "<float three = {3}, float six = {6}, float zero = {0}, float sixth = {0.16666667}, float limit = {20}>"
CLIP = "s = Add(x, three)\n c = Clip(s, zero, six)\n "


def graph(body: str, outputs: str = "float[batch, 7] y") -> str:
    return f"g (float[batch, 7] x, float[batch, 7] w) => ({outputs}) {CONSTANTS} {{ {body} }}"


def raised(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FuseActivations(), settled(text), seeds=(0, 1), modified=modified))


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        ("t = Sigmoid(x)\n y = Mul(x, t)", "keraport::Silu"),
        ("t = Sigmoid(x)\n y = Mul(t, x)", "keraport::Silu"),
        ("p = Softplus(x)\n t = Tanh(p)\n y = Mul(x, t)", "Mish"),
        ("t = HardSigmoid<alpha=0.16666667, beta=0.5>(x)\n y = Mul(x, t)", "HardSwish"),
        (CLIP + "m = Mul(x, c)\n y = Div(m, six)", "HardSwish"),
        (CLIP + "d = Div(c, six)\n y = Mul(d, x)", "HardSwish"),
        (CLIP + "d = Mul(c, sixth)\n y = Mul(x, d)", "HardSwish"),
        (CLIP + "y = Div(c, six)", "HardSigmoid"),
        (CLIP + "y = Mul(sixth, c)", "HardSigmoid"),
        ("g0 = Greater(x, limit)\n p = Softplus(x)\n y = Where(g0, x, p)", "Softplus"),
    ],
    ids=lambda value: value.replace("\n", ";") if "=" in value else value,
)
def test_pieces_become_one(body: str, operator: str) -> None:
    assert raised(graph(body)) == [operator]


@pytest.mark.parametrize(
    "body",
    [
        "t = Sigmoid(w)\n y = Mul(x, t)",
        "t = Sigmoid(x)\n y = Add(x, t)",
        "t = HardSigmoid(x)\n y = Mul(x, t)",
        "s = Add(x, six)\n c = Clip(s, zero, six)\n y = Div(c, six)",
        "s = Add(x, three)\n c = Clip(s, zero, three)\n y = Div(c, six)",
        CLIP + "y = Div(c, three)",
        "g0 = Greater(x, three)\n p = Softplus(x)\n y = Where(g0, x, p)",
        "p = Softplus(x)\n t = Tanh(p)\n y = Mul(w, t)",
        "g0 = Greater(w, limit)\n p = Softplus(x)\n y = Where(g0, x, p)",
        "g0 = Greater(x, limit)\n p = Softplus(w)\n y = Where(g0, x, p)",
    ],
    ids=lambda body: body.replace("\n", ";"),
)
def test_near_misses_stay(body: str) -> None:
    raised(graph(body), modified=False)


def test_a_gate_that_is_no_hard_swish_is_a_hard_sigmoid() -> None:
    assert raised(graph(CLIP + "d = Div(c, six)\n y = Mul(d, w)")) == ["HardSigmoid", "Mul"]


def test_a_shared_gate_or_an_output_stays() -> None:
    two = "float[batch, 7] y, float[batch, 7] z"
    assert raised(graph("t = Sigmoid(x)\n y = Mul(x, t)\n z = Mul(w, t)", two), modified=False) == [
        "Sigmoid",
        "Mul",
        "Mul",
    ]
    assert raised(graph("z = Sigmoid(x)\n y = Mul(x, z)", two), modified=False) == ["Sigmoid", "Mul"]
    assert "HardSwish" not in raised(graph(CLIP + "m = Mul(x, c)\n y = Div(m, six)\n z = Relu(m)", two), modified=False)


def test_float64_keeps_its_softplus() -> None:
    """Only the pass: onnxruntime has no Softplus for doubles."""
    text = graph("g0 = Greater(x, limit)\n p = Softplus(x)\n y = Where(g0, x, p)")
    model = settled(text.replace("float[", "double[").replace("float ", "double "))
    assert not FuseActivations()(model).modified


def test_the_module_path_and_the_output_s_name_stay() -> None:
    model = settled(graph("t = Sigmoid(x)\n y = Mul(x, t)"))
    for node in model.graph:
        node.metadata_props["keraport.module"] = "features.0.act"
    FuseActivations()(model)
    (node,) = model.graph
    assert node.metadata_props["keraport.module"] == "features.0.act"
    assert node.outputs[0].name == "y"
    assert model.opset_imports["keraport"] == 1
