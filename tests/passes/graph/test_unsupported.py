"""What passes/graph/unsupported.py says is what the converter does."""

from __future__ import annotations

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

import converter
from converter.errors import Unsupported
from passes.graph.unsupported import BY_PASSES, PARTS, REFUSED, refusal
from scripts.operator_table import classify
from tests.harness import check_onnx
from tests.limit_examples import CONVERTED, with_header
from tests.limit_examples import PARTS as REFUSED_PARTS
from tests.limit_examples import REFUSED as REFUSED_OPERATORS

RANDOM = ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"]
OPSETS = {
    **dict.fromkeys(RANDOM, 15),  # onnxruntime (1.31) has none of opset 22
    "BitCast": 26,
    "CumProd": 26,
    "Swish": 24,
    "TensorScatter": 24,
    "CausalConvWithState": 27,
    "LinearAttention": 27,
    "SwiGLU": 28,
}
NOT_RUN = {"Bernoulli", "CausalConvWithState", "GlobalLpPool", "LinearAttention", "SwiGLU"}
"""Operators that onnxruntime does not compute yet, or wrongly; tests/conformance has their numbers, and those of
Bernoulli tests/converter/test_random_numbers.py."""

WITHOUT_TEXT = {"sparse"}
"""Of PARTS: what ONNX text cannot say; tests/converter/sources/onnx/test_file.py has it."""


def graph(name: str, text: str) -> str:
    return with_header(text, OPSETS.get(name, 23))


def test_every_operator_is_in_one_place() -> None:
    operators = classify()
    assert not operators.unclassified
    assert not operators.twice
    assert set(CONVERTED) == set(BY_PASSES)
    assert set(REFUSED_PARTS) | WITHOUT_TEXT == set(PARTS)
    assert all(set(group.operators) & set(REFUSED_OPERATORS) for group in REFUSED)


@pytest.mark.parametrize("operator", CONVERTED)
def test_taken_out_by_passes(operator: str) -> None:
    text = graph(operator, CONVERTED[operator])
    assert f"{operator}(" in text or f"{operator}<" in text
    if operator in NOT_RUN:
        convert(text)
    else:
        check_onnx(text)


@pytest.mark.parametrize("operator", REFUSED_OPERATORS)
def test_refused_operator(operator: str) -> None:
    assert any(operator in group.operators for group in REFUSED)
    with pytest.raises(Unsupported) as raised:
        convert(graph(operator, REFUSED_OPERATORS[operator]))
    assert operator in f"{raised.value.message} {raised.value.node}"


def test_the_error_has_the_reason_and_what_to_do() -> None:
    with pytest.raises(Unsupported, match="SequenceMap is not supported: loops over lists, a Keras graph"):
        convert(graph("SequenceMap", REFUSED_OPERATORS["SequenceMap"]))
    error = refusal(ir.node("ConstantOfShape", [ir.Value(name="s")]))
    assert error.message.startswith("As many numbers as the numbers in a tensor say")
    assert error.hint == "Give an input that holds sizes with --constant NAME=VALUE."
    with pytest.raises(Unsupported, match="A Loop whose state 'vo' changes its size from turn to turn"):
        convert(with_header(REFUSED_PARTS["computed turns"]))


@pytest.mark.parametrize("part", REFUSED_PARTS)
def test_refused_part(part: str) -> None:
    with pytest.raises(Unsupported):
        convert(with_header(REFUSED_PARTS[part]))


def convert(text: str) -> None:
    converter.convert(ir.from_proto(onnx.parser.parse_model(text)), verify=False)
