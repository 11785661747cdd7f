"""raise_attention: where the scale and the bias may stand, near misses, shared steps, outputs."""

from __future__ import annotations

import pytest

from passes.fuse.attention import FuseAttention
from tests.harness import check_pass, operators
from tests.passes.padding.test_split_pads import settled

K = "kt = Transpose<perm=[0, 1, 3, 2]>(k)\n "
CONSTANTS = "<float c = {0.35}, float root = {0.6}, float big = {3}, float[1, 2, 5, 6] table = {VALUES}>".replace(
    "VALUES", ", ".join(str(i % 7 / 4) for i in range(60))
)
TAIL = "p = Softmax<axis=-1>({scores})\n y = MatMul(p, v)"


def graph(body: str, *, scores: str = "s", outputs: str = "float[batch, 2, 5, 3] y", k: str = "batch, 2, 6, 4") -> str:
    inputs = f"float[batch, 2, 5, 4] q, float[{k}] k, float[batch, 2, 6, 3] v, float[batch, 1, 1, 6] mask"
    return f"g ({inputs}) => ({outputs}) {CONSTANTS} {{ {body}\n {TAIL.format(scores=scores)} }}"


def raised(text: str, modified: bool = True) -> list[str]:
    return operators(check_pass(FuseAttention(), settled(text), modified=modified))


@pytest.mark.parametrize(
    ("body", "scores", "left"),
    [
        (K + "s = MatMul(q, kt)", "s", []),
        (K + "s0 = MatMul(q, kt)\n s = Mul(s0, c)", "s", []),
        (K + "s0 = MatMul(q, kt)\n s = Div(s0, big)", "s", []),
        (K + "qc = Mul(q, c)\n s = MatMul(qc, kt)", "s", []),
        (K + "qc = Mul(q, root)\n kc = Mul(kt, root)\n s = MatMul(qc, kc)", "s", []),
        (K + "s0 = MatMul(q, kt)\n s1 = Mul(c, s0)\n s = Add(s1, mask)", "s", []),
        (K + "s0 = MatMul(q, kt)\n s1 = Mul(s0, c)\n s = Add(table, s1)", "s", []),
        (K + "qc = Mul(q, c)\n s0 = MatMul(qc, kt)\n s1 = Add(s0, table)\n s = Add(s1, mask)", "s", ["Add"]),
    ],
    ids=["bare", "times", "divided", "on q", "on both", "mask", "table", "two biases"],
)
def test_five_nodes_become_one(body: str, scores: str, left: list[str]) -> None:
    assert raised(graph(body, scores=scores)) == [*left, "Attention"]


def test_scales_multiply() -> None:
    body = K + "qc = Mul(q, root)\n kc = Mul(kt, root)\n s0 = MatMul(qc, kc)\n s = Div(s0, big)"
    model = check_pass(FuseAttention(), settled(graph(body)), modified=True)
    scale = model.graph.outputs[0].producer().attributes["scale"].as_float()
    assert scale == pytest.approx(0.6 * 0.6 / 3)


def test_a_scale_that_adds_an_axis_is_no_scale() -> None:
    """[2, 5, 4] · [1, 1, 1, 1] has four axes, and an attention of it is one; its q is the product, not the factor."""
    text = graph("q = Mul(q3, ones)\n " + K + "s = MatMul(q, kt)", outputs="float[1, 2, 5, 3] y")
    text = text.replace("float[batch, 2, 5, 4] q,", "float[2, 5, 4] q3,").replace(
        "<float c", "<float[1, 1, 1, 1] ones = {3}, float c"
    )
    model = check_pass(FuseAttention(), settled(text.replace("batch", "1")), modified=True)
    assert operators(model) == ["Mul", "Attention"]
    assert model.graph.outputs[0].producer().attributes["scale"].as_float() == 1


def test_any_transpose_leads_to_k() -> None:
    turned = graph("kt = Transpose<perm=[0, 2, 3, 1]>(k)\n s = MatMul(q, kt)", k="batch, 6, 2, 4")
    model = check_pass(FuseAttention(), settled(turned), modified=True)
    assert operators(model) == ["Transpose", "Attention"]
    assert model.graph.node(0).attributes["perm"].as_ints() == (0, 2, 1, 3)
    none = graph("kt = Relu(k)\n s = MatMul(q, kt)", k="batch, 2, 4, 6")
    assert raised(none) == ["Relu", "Transpose", "Attention"]


@pytest.mark.parametrize(
    "text",
    [
        graph(K + "s = MatMul(q, kt)").replace("axis=-1", "axis=2"),
        graph(K + "s = MatMul(q, kt)", k="1, 2, 6, 4"),
        graph(K + "s0 = MatMul(q, kt)\n s = Mul(s0, mask)"),
        graph(K + "s0 = Add(q, c)\n s = MatMul(s0, kt)")
        .replace("MatMul(p, v)", "MatMul(v, p)")
        .replace("float[batch, 2, 6, 3] v", "float[batch, 2, 3, 5] v"),
        graph(K + "s = MatMul(q, kt)").replace("Softmax<axis=-1>", "Sigmoid"),
        graph(K + "s0 = MatMul(q, kt)\n s = Add(s0, row)").replace("float[batch, 1, 1, 6] mask", "float[6] row"),
        graph(K + "s0 = MatMul(q, kt)\n s = Add(s0, wide)", outputs="float[b2, 2, 5, 3] y").replace(
            "float[batch, 1, 1, 6] mask", "float[7, batch, 1, 1, 6] wide"
        ),
    ],
    ids=["other axis", "k broadcasts", "no number", "other side", "no softmax", "narrow bias", "wide bias"],
)
def test_near_misses_stay(text: str) -> None:
    assert "Attention" not in raised(text, modified=False)


@pytest.mark.parametrize("shared", ["s0", "s1", "p"])
def test_shared_scores_and_weights_stay(shared: str) -> None:
    body = K + "s0 = MatMul(q, kt)\n s1 = Mul(s0, c)\n s = Add(s1, mask)"
    outputs = "float[batch, 2, 5, 3] y, float[batch, 2, 5, 6] z"
    read = graph(body, outputs=outputs).replace("y = MatMul", f"z = Relu({shared})\n y = MatMul")
    assert "Attention" not in raised(read, modified=False)
    output = graph(body, outputs=outputs.replace("z", shared))
    assert "Attention" not in raised(output, modified=False)


def test_a_shared_transpose_of_k_is_kept_for_its_other_reader() -> None:
    body = K + "s = MatMul(q, kt)\n z = Relu(kt)"
    names = raised(graph(body, outputs="float[batch, 2, 5, 3] y, float[batch, 2, 4, 6] z"))
    assert names == ["Transpose", "Relu", "Attention"]
