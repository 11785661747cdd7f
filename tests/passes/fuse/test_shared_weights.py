"""ShareWeights: one variable for a weight that is used in unlike ways; what shares already or cannot share stays."""

from __future__ import annotations

import pytest

from passes.fuse.dense import FuseDense
from passes.fuse.shared_weights import ShareWeights
from passes.graph.weight_views import MarkWeights
from tests.harness import check_pass, graph, operators
from tests.passes.padding.test_split_pads import settled

VALUES = ", ".join(str((i * 7 % 11 - 5) / 4) for i in range(25))
WEIGHTS = f"float[5, 5] w = {{{VALUES}}}, float[5] b = {{1, 2, 3, 4, 5}}, float[5] c = {{5, 1, 4, 2, 3}}"
REVERSIBLE = "keraport::ReversibleEmbedding"
TURNED = "r = Relu(e) t = Transpose<perm=[1, 0]>(w)"


def after(inputs: str, body: str, outputs: str = "float[batch, 3, 5] y", *, modified: bool = True) -> list[str]:
    model = graph(f"g ({inputs}) => ({outputs}) <{WEIGHTS}> {{ {body} }}")
    MarkWeights()(model)
    model = settled(model)
    FuseDense()(model)
    return operators(check_pass(ShareWeights(), model, modified=modified, sizes={"batch": (1, 3)}))


@pytest.mark.parametrize(
    ("product", "more"),
    [
        ("y = MatMul(r, t)", []),
        ("p = MatMul(r, t) y = Add(p, b)", ["Add"]),
        ("p = MatMul(r, t) q = Relu(p) y = MatMul(q, t)", ["Relu", REVERSIBLE]),
    ],
    ids=["product", "bias", "twice"],
)
def test_a_table_and_its_transpose_are_a_reversible_embedding(product: str, more: list[str]) -> None:
    found = after("int64[batch, 3] x", f"e = Gather<axis=0>(w, x) {TURNED} {product}")
    assert found == [REVERSIBLE, "Relu", REVERSIBLE, *more]


def test_two_tables_and_a_product_are_one() -> None:
    body = f"e = Gather<axis=0>(w, x) f = Gather<axis=0>(w, z) {TURNED} p = MatMul(r, t) y = Add(p, f)"
    assert after("int64[batch, 3] x, int64[batch, 3] z", body) == [REVERSIBLE, REVERSIBLE, "Relu", REVERSIBLE, "Add"]


def test_products_that_differ_in_their_bias_are_one_layer() -> None:
    body = "p = MatMul(x, w) q = Add(p, b) r = Relu(q) s = MatMul(r, w) y = Add(s, c)"
    dense = "keraport::Dense"
    assert after("float[batch, 3, 5] x", body) == [dense, "Add", "Relu", dense, "Add"]


@pytest.mark.parametrize(
    ("inputs", "body", "expected"),
    [
        (
            "float[batch, 3, 5] x",
            f"e = MatMul(x, w) {TURNED} p = MatMul(r, t) y = Add(p, b)",
            ["Identity", "Transpose", "MatMul", "Relu", "MatMul", "Add"],
        ),
        ("int64[batch, 3] x", "e = Gather<axis=0>(w, x) y = MatMul(e, w)", ["Identity", "Gather", "MatMul"]),
        ("float[batch, 5, 5] x", "e = Mul(x, w) y = MatMul(e, w)", ["Identity", "Mul", "MatMul"]),
        (
            "float[batch, 5, 5] x",
            "s = Constant<value_ints=[25]>() f = Reshape(w, s) t = Constant<value_ints=[1, 5, 5]>() g = Reshape(f, t) "
            "e = Mul(x, g) y = MatMul(e, w)",
            ["Identity", "Reshape", "Mul", "MatMul"],
        ),
    ],
    ids=["both ways", "table and kernel", "factor and kernel", "reshaped"],
)
def test_what_no_layer_shares_computes_on_one_variable(inputs: str, body: str, expected: list[str]) -> None:
    size = 5 if "5, 5] x" in inputs else 3
    assert after(inputs, body, f"float[batch, {size}, 5] y") == expected


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        ("float[batch, 3, 5] x", "p = MatMul(x, w) q = Add(p, b) r = Relu(q) s = MatMul(r, w) y = Add(s, b)"),
        ("float[batch, 3, 5] x", "p = MatMul(x, w) r = Relu(p) y = LayerNormalization(r, b, b)"),
        ("int64[batch, 3] x", "e = Gather<axis=0>(w, x) f = Gather<axis=0>(w, x) y = Add(e, f)"),
    ],
    ids=["alike", "a norm", "two tables"],
)
def test_what_is_one_layer_or_cannot_be_stays(inputs: str, body: str) -> None:
    after(inputs, body, modified=False)
