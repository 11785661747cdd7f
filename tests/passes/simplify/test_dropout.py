"""RemoveDropout: between attention's weights and values, or everywhere; one that is random stays."""

from __future__ import annotations

import pytest

from passes.shapes.infer import InferShapes
from passes.simplify.dropout import RemoveDropout
from tests.harness import check_pass, graph, operators

CONSTANTS = "<float rate = {0.25}, bool yes = {1}, bool no = {0}, float[5, 4] v = VALUES>".replace(
    "VALUES", "{" + ", ".join(str(i / 4) for i in range(20)) + "}"
)


def after(
    body: str, *, everywhere: bool = False, modified: bool = True, outputs: str = "float[batch, 3, 4] y"
) -> list[str]:
    model = graph(f"g (float[batch, 3, 5] x) => ({outputs}) {CONSTANTS} {{ {body} }}")
    InferShapes()(model)
    return operators(check_pass(RemoveDropout(everywhere=everywhere), model, modified=modified))


ATTENTION = "w = Softmax(x)  d = Dropout(w, rate)  y = MatMul(d, v)"
OTHER = "r = Relu(x)  d = Dropout(r, rate, no)  y = MatMul(d, v)"


def test_of_the_weights_of_attention() -> None:
    assert after(ATTENTION) == ["Softmax", "MatMul"]
    assert after(OTHER, modified=False) == ["Relu", "Dropout", "MatMul"]


@pytest.mark.parametrize("body", [ATTENTION, OTHER])
def test_everywhere(body: str) -> None:
    assert "Dropout" not in after(body, everywhere=True)


def test_an_output_keeps_its_name() -> None:
    body = "r = Relu(x)  y = Dropout(r, rate)"
    assert after(body, everywhere=True, outputs="float[batch, 3, 5] y") == ["Relu", "Identity"]


def test_a_mask_that_is_read_keeps_it() -> None:
    body = "r = Relu(x)  d, m = Dropout(r, rate)  y = MatMul(d, v)"
    after(body, everywhere=True, modified=False, outputs="float[batch, 3, 4] y, bool[batch, 3, 5] m")
