"""raise_layer_norm: what exporters and people write for it, near misses, shared steps, outputs."""

from __future__ import annotations

import pytest

from passes.fuse.layer_norm import FuseLayerNorm
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

HALVES = {
    "pow": "q = Pow(d, two)",
    "mul": "q = Mul(d, d)",
}
CENTRED = "m = ReduceMean{keep}(x, axes)\n d = Sub(x, m)\n "
ROOT = "v = ReduceMean(q, axes)\n e = Add(v, eps)\n r = Sqrt(e)\n "
DIVIDED = {
    "div": "n = Div(d, r)",
    "reciprocal": "i = Reciprocal(r)\n n = Mul(d, i)",
    "computed twice": "d2 = Sub(x, m)\n n = Div(d2, r)",
    "mean twice": "m2 = ReduceMean(x, axes)\n d2 = Sub(x, m2)\n n = Div(d2, r)",
}
AFFINE = "w1 = Mul(n, w)\n y = Add(w1, b)"


def graph(
    body: str,
    *,
    axes: str = "int64[1] axes = {-1}",
    affine: str = "float[4] w = {1, -2, 0.5, 3}, float[4] b = {0, 1, 2, 3}",
    outputs: str = "float[batch, 3, 5, 4] y",
    keep: str = "",
) -> str:
    constants = f"float two = {{2}}, float eps = {{1e-5}}, {axes}, {affine}"
    return f"g (float[batch, 3, 5, 4] x) => ({outputs}) <{constants}> {{ {body.replace('{keep}', keep)} }}"


def norm(square: str = "pow", division: str = "div", affine: str = AFFINE) -> str:
    return f"{CENTRED}{HALVES[square]}\n {ROOT}{DIVIDED[division]}\n {affine}"


def raised(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FuseLayerNorm(), settled(text), modified=modified))


@pytest.mark.parametrize("division", DIVIDED)
@pytest.mark.parametrize("square", HALVES)
def test_nine_nodes_become_one(square: str, division: str) -> None:
    assert raised(graph(norm(square, division))) == ["LayerNormalization"]


def test_axis_epsilon_and_parameters() -> None:
    text = graph(
        norm(affine="w1 = Mul(w, n)\n y = Add(b, w1)"),
        axes="int64[2] axes = {2, 3}",
        affine="float[5, 4] w = {1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0}, float[1, 5, 4] b = "
        "{0,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0}",
    )
    model = check_pass(FuseLayerNorm(), settled(text), modified=True)
    node = model.graph.outputs[0].producer()
    assert node.op_type == "LayerNormalization"
    assert node.attributes["axis"].as_int() == 2
    assert node.attributes["epsilon"].as_float() == pytest.approx(1e-5)
    assert [list(value.shape) for value in node.inputs[1:]] == [[5, 4], [5, 4]]


def test_a_norm_of_channels_is_transposed() -> None:
    text = graph(
        norm(division="computed twice", affine="w1 = Mul(w, n)\n y = Add(w1, b)"),
        axes="int64[1] axes = {1}",
        affine="float[3, 1, 1] w = {1, -2, 0.5}, float[3, 1, 1] b = {3, 2, 1}",
    )
    assert raised(text) == ["Transpose", "LayerNormalization", "Transpose"]


def test_without_a_weight_the_scale_is_one() -> None:
    assert raised(graph(norm(affine="y = Relu(n)"))) == ["LayerNormalization", "Relu"]
    assert raised(graph(norm(affine="y = Mul(n, w)"))) == ["LayerNormalization"]
    assert raised(graph(norm(affine="y = Add(n, b)"))) == ["LayerNormalization", "Add"]


def test_a_weight_of_another_shape_stays_outside() -> None:
    text = graph(norm(affine="y = Mul(n, w)"), affine="float[1] w = {2}, float[5, 1] b = {0, 1, 2, 3, 4}")
    assert raised(text) == ["LayerNormalization", "Mul"]
    assert raised(text.replace("y = Mul(n, w)", "y = Mul(n, b)")) == ["LayerNormalization", "Mul"]


@pytest.mark.parametrize(
    "text",
    [
        graph(norm(), axes="int64[2] axes = {1, 3}"),
        graph(norm().replace("d = Sub(x, m)", "d = Sub(m, x)")),
        graph(norm().replace("Pow(d, two)", "Pow(d, eps)").replace("n = Div", "n = Mul")),
        graph(norm().replace("Pow(d, two)", "Pow(d, four)")).replace("> {", ", float four = {4}> {"),
        graph(norm().replace("n = Div(d, r)", "n = Div(x, r)")),
        graph(norm().replace("n = Div(d, r)", "n = Div(r, d)")),
        graph(norm().replace("ReduceMean(q, axes)", "ReduceMax(q, axes)")),
        graph(norm().replace("ReduceMean(q, axes)", "ReduceMean(q, axes2)")).replace(
            "> {", ", int64[1] axes2 = {2}> {"
        ),
    ],
    ids=["split axes", "other sign", "no square", "fourth power", "not centred", "upside down", "maximum", "two axes"],
)
def test_near_misses_stay(text: str) -> None:
    assert "LayerNormalization" not in raised(text, modified=False)


@pytest.mark.parametrize("shared", ["m", "d", "v", "r", "n"])
def test_a_shared_step_stays(shared: str) -> None:
    outputs = "float[batch, 3, 5, 4] y, float[batch, 3, 5, q] z"
    names = raised(graph(f"{norm()}\n z = Relu({shared})", outputs=outputs), modified=shared == "n")
    assert ("LayerNormalization" in names) == (shared == "n")  # a normalised value may be read: it is what is left
    if shared != "n":
        output = graph(norm(), outputs=f"float[batch, 3, 5, 4] y, float[batch, 3, 5, q] {shared}")
        assert "LayerNormalization" not in raised(output, modified=False)


def test_the_weights_keep_their_names() -> None:
    model = settled(graph(norm()))
    FuseLayerNorm()(model)
    (node,) = model.graph
    assert [value.name for value in node.inputs[1:]] == ["w", "b"]
