"""raise_dense: products with a constant matrix, near misses, shared products, outputs, views of weights."""

from __future__ import annotations

import json

import onnx_ir as ir
import pytest

from passes.fuse.dense import FuseDense
from passes.graph.weight_views import WEIGHT_KEY, MarkWeights
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

VALUES = ", ".join(str((i * 7 % 11 - 5) / 4) for i in range(20))
WEIGHTS = f"float[5, 4] w = {{{VALUES}}}, float[4, 5] t = {{{VALUES}}}"


def graph(
    body: str,
    *,
    x: str = "batch, 3, 5",
    y: str = "batch, 3, 4",
    bias: str = "float[4] b = {1, 2, 3, 4}",
    more: str = "",
) -> str:
    return f"g (float[{x}] x) => (float[{y}] y{more}) <{WEIGHTS}, {bias}> {{ {body} }}"


def flat(body: str, **options: str) -> str:
    return graph(body, x="batch, 5", y="batch, 4", **options)


def raised(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FuseDense(), settled(text), modified=modified))


@pytest.mark.parametrize(
    "text",
    [
        graph("y = MatMul(x, w)"),
        graph("p = MatMul(x, w)\n y = Add(p, b)"),
        graph("p = MatMul(x, w)\n y = Add(b, p)"),
        graph("p = MatMul(x, w)\n y = Add(p, b)", bias="float[1, 1, 4] b = {1, 2, 3, 4}"),
        flat("y = Gemm(x, w)"),
        flat("y = Gemm(x, w, b)"),
        flat("y = Gemm<transB=1>(x, t, b)"),
        flat("y = Gemm<transB=1, beta=2.0>(x, t)"),
        flat("y = Gemm(x, w, b)", bias="float[1, 4] b = {1, 2, 3, 4}"),
    ],
)
def test_products_become_dense(text: str) -> None:
    assert raised(text) == ["keraport::Dense"]


def test_a_bias_that_does_not_fit_stays_outside() -> None:
    scalar = graph("p = MatMul(x, w)\n y = Add(p, b)", bias="float[1] b = {2}")
    assert raised(scalar) == ["keraport::Dense", "Add"]
    rows = graph("p = MatMul(x, w)\n y = Add(p, b)", bias="float[3, 1] b = {1, 2, 3}")
    assert raised(rows) == ["keraport::Dense", "Add"]
    longer = graph("p = MatMul(x, w)\n y = Add(p, b)", y="1, batch, 3, 4", bias="float[1, 1, 1, 4] b = {1, 2, 3, 4}")
    assert raised(longer) == ["keraport::Dense", "Add"]


@pytest.mark.parametrize(
    "text",
    [
        flat("y = Gemm<alpha=0.5>(x, w, b)"),
        flat("y = Gemm<beta=0.5>(x, w, b)"),
        flat("y = Gemm(x, w, b)", bias="float[1] b = {2}"),
        "g (float[5, batch] x) => (float[batch, 4] y) <WEIGHTS> { y = Gemm<transA=1>(x, w) }",
        "g (float[batch, 5, 3] x) => (float[batch, 4, 3] y) <WEIGHTS> { y = MatMul(t, x) }",
        "g (float[batch, 5, 3, 1] x) => (float[batch, 1, 4, 3] y) <WEIGHTS> {"
        " r = Transpose<perm=[0, 3, 1, 2]>(x) y = MatMul(t, r) }",
        "g (float[5] x) => (float[4] y) <WEIGHTS> { y = MatMul(x, w) }",
        "g (float[batch, 3, 5] x, float[5, 4] v) => (float[batch, 3, 4] y) { y = MatMul(x, v) }",
    ],
    ids=[
        "alpha",
        "beta",
        "scalar bias",
        "transA",
        "constant left",
        "constant left of other columns",
        "vector",
        "no constant",
    ],
)
def test_near_misses_stay(text: str) -> None:
    assert "keraport::Dense" not in raised(text.replace("WEIGHTS", WEIGHTS), modified=False)


COLUMNS = "r = Transpose<perm=[0, 2, 1]>(x) p = MatMul(t, r)"


@pytest.mark.parametrize(
    ("bias", "inside"),
    [
        ("float[4, 1] b = {1, 2, 3, 4}", True),
        ("float[1, 4, 1] b = {1, 2, 3, 4}", True),
        ("float[4, 3] b = {1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6}", False),
        ("float[3] b = {1, 2, 3}", False),
        ("float b = {1}", False),
    ],
)
def test_a_matrix_times_columns_that_come_from_rows(bias: str, inside: bool) -> None:
    found = raised(graph(f"{COLUMNS} y = Add(b, p)", y="batch, 4, 3", bias=bias))
    assert found == ["Transpose", "keraport::Dense", "Transpose", *([] if inside else ["Add"])]


def test_columns_that_are_read() -> None:
    text = graph(f"{COLUMNS} y = Add(p, b) z = Relu(p)", y="batch, 4, 3", bias="float[4, 1] b = {1, 2, 3, 4}",
                 more=", float[batch, 4, 3] z")  # fmt: skip
    assert raised(text) == ["Transpose", "keraport::Dense", "Transpose", "Add", "Relu"]
    flat_text = (
        "g (float[batch, 5] x) => (float[4, batch] y) <WEIGHTS> { r = Transpose<perm=[1, 0]>(x) y = MatMul(t, r) }"
    )
    assert raised(flat_text.replace("WEIGHTS", WEIGHTS)) == ["Transpose", "keraport::Dense", "Transpose"]


def test_a_shared_product_or_output_keeps_its_add() -> None:
    shared = graph("p = MatMul(x, w)\n y = Add(p, b)\n z = Relu(p)", more=", float[batch, 3, 4] z")
    assert raised(shared) == ["keraport::Dense", "Add", "Relu"]
    output = graph("p = MatMul(x, w)\n y = Add(p, b)", more=", float[batch, 3, 4] p")
    assert raised(output) == ["keraport::Dense", "Add"]


def test_a_transposed_weight_is_a_view_that_knows_its_source() -> None:
    model = settled(flat("y = Gemm<transB=1>(x, t, b)"))
    MarkWeights()(model)
    FuseDense()(model)
    weight = model.graph.node(0).inputs[1]
    assert isinstance(weight.const_value, ir.LazyTensor)
    assert json.loads(weight.metadata_props[WEIGHT_KEY]) == {"name": "t", "view": [["transpose", [1, 0]]]}


def test_a_shared_weight_is_shared() -> None:
    text = graph("p = MatMul(x, w)\n q = MatMul(x, w)\n y = Add(p, q)")
    model = check_pass(FuseDense(), settled(text), modified=True)
    first, second, _ = model.graph
    assert first.inputs[1] is second.inputs[1]


def test_the_product_gives_the_name_and_the_module() -> None:
    model = settled(graph("p = MatMul(x, w)\n y = Add(p, b)"))
    product, add = model.graph
    product.name, add.name = "linear", "plus"
    product.metadata_props["keraport.module"], add.metadata_props["keraport.module"] = "head.fc", "head"
    FuseDense()(model)
    (node,) = model.graph
    assert (node.name, node.metadata_props["keraport.module"]) == ("linear", "head.fc")
    assert node.outputs[0].name == "y"
