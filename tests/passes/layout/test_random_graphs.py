"""The layout pass on random graphs: it computes what it did, alone and through to Keras."""

from __future__ import annotations

import os
import secrets

import onnx
import onnx.printer
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from passes.layout import Layout
from passes.layout.walk.registry import RULES
from passes.order import pipeline
from tests.harness import check_onnx, check_pass
from tests.random_graphs import graphs

SEED_KEY = "RANDOM_GRAPHS_SEED"
SEED = int(os.environ.get(SEED_KEY, secrets.randbelow(2**32)))
"""Other graphs in every run; what fails says how to draw the same again."""
EXAMPLES = int(os.environ.get("RANDOM_GRAPHS", 60))
RANDOM = settings(
    deadline=None, suppress_health_check=list(HealthCheck), database=None, max_examples=EXAMPLES, print_blob=False
)
SIZES = {"batch": (1, 3)}

OF_THE_PIPELINE = {
    "keraport::CentreCrop",
    "keraport::CumProd",
    "keraport::Dense",
    "keraport::OnesLike",
    "keraport::PadSame",
    "keraport::Roll",
    "keraport::Silu",
}
"""Made by other passes: Dense is drawn as MatMul and Gemm; the others have cases of their own in test_ops_*.py."""
OF_OTHER_TYPES = {
    "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "DequantizeLinear", "IsInf", "IsNaN", "Mod",
    "MaxRoiPool", "QuantizeLinear", "RoiAlign", "ScatterElements",
}  # fmt: skip
STEPS = {"Acosh", "Ceil", "Equal", "Floor", "Hardmax", "Round", "Shrink", "Sign", "ThresholdedRelu"}
"""What jumps (or, as acosh at 1, has no slope) at numbers that graphs really compute, 0 and 1: two right answers differ
there by more than any tolerance. Their rules are those of operators that are drawn."""
PRODUCTS = {"ReduceProd", "ReduceL2", "ReduceLogSum"}
"""Of nearly nothing, or of many numbers, they are as bad; drawn are seven other reductions of the same rule."""


def settled(model: onnx.ModelProto) -> ir.Model:
    """The graph as the layout pass gets it."""
    result = ir.from_proto(model)
    for name, make in pipeline():
        if name == "Layout":
            return result
        result = make()(result).model
    raise ValueError("The pipeline has no layout pass.")


def say(model: onnx.ModelProto) -> None:
    note(f"{SEED_KEY}={SEED} RANDOM_GRAPHS={EXAMPLES}\n{onnx.printer.to_text(model)}")


@pytest.mark.parametrize("boundary", ["channels_last", "source"])
def test_layout_alone(boundary: str) -> None:
    @seed(SEED)
    @settings(RANDOM, max_examples=2 * EXAMPLES)
    @given(graphs())
    def check(model: onnx.ModelProto) -> None:
        say(model)
        check_pass(Layout(boundary), settled(model), sizes=SIZES, reference=model)

    check()


@seed(SEED)
@RANDOM
@given(graphs(), st.sampled_from(["channels_last", "source"]))
def test_through_to_keras(model: onnx.ModelProto, layout: str) -> None:
    say(model)
    check_onnx(model, sizes=SIZES, layout=layout)


@pytest.mark.slow
def test_every_rule_is_drawn() -> None:
    drawn: set[str] = set()

    @settings(RANDOM, max_examples=4000, derandomize=True, phases=[Phase.generate])
    @given(graphs())
    def collect(model: onnx.ModelProto) -> None:
        drawn.update(node.op_type for node in model.graph.node)

    collect()
    assert RULES.keys() - drawn == OF_THE_PIPELINE | OF_OTHER_TYPES | STEPS | PRODUCTS
