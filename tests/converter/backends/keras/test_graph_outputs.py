"""Outputs of a graph that no operator computes: inputs, constants, and second outputs that no layer has."""

from __future__ import annotations

import pytest

from passes.errors import Unsupported
from tests.harness import check_onnx

RELU = "{ y = Relu(x) }"
WEIGHT = "<float[2, 9] c = {0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17}>"


@pytest.mark.parametrize("layout", ["channels_last", "source"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"g (float[b, 4] x) => (float[b, 4] y, float[3] c) <float[3] c = {{1, 2, 3}}> {RELU}", id="few"),
        pytest.param(f"g (float[b, 4] x) => (float[b, 4] y, float[2, 9] c) {WEIGHT} {RELU}", id="weight"),
        pytest.param(f"g (float[b, 4] x) => (float[b, 4] y, bool[2] c) <bool[2] c = {{1, 0}}> {RELU}", id="bool"),
        pytest.param(f"g (float[b, 4] x) => (float[b, 4] y, int64 c) <int64 c = {{7}}> {RELU}", id="number"),
        pytest.param("g (float[b, 3] x) => (float[b, 3] y, float[3] c) <float[3] c = {1, 2, 3}> { y = Mul(x, c) }",
                     id="used"),
        pytest.param("g (float[b, 4] x) => (float[3] y) <float[3] c = {1, 2, 3}> { y = Neg(c) }", id="alone"),
        pytest.param(f"g (float[b, 3, 4, 4] x) => (float[b, 3, 4, 4] x, float[b, 3, 4, 4] y) {RELU}", id="input"),
    ],
)  # fmt: skip
def test_outputs_that_nothing_computes(text: str, layout: str) -> None:
    check_onnx(text, layout=layout)


def test_a_model_without_inputs_is_refused() -> None:
    with pytest.raises(Unsupported, match="no inputs"):
        check_onnx("g () => (float[3] y) <float[3] c = {1, 2, 3}> { y = Neg(c) }")


def test_a_second_output_that_no_layer_has_is_refused_by_name() -> None:
    with pytest.raises(Unsupported, match="The Indices output of MaxPool") as caught:
        check_onnx("""
            g (float[2, 3, 5, h] x) => (y, i) { y, i = MaxPool<kernel_shape=[2, 2]>(x) }
        """)
    assert caught.value.node
