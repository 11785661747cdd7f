"""The layout pass on random graphs: it computes what it did, alone and through to Keras."""

from __future__ import annotations

import onnx
import onnx.printer
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from passes import pipeline
from passes.layout import Layout
from tests.harness import check_onnx, check_pass
from tests.random_graphs import graphs

RANDOM = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SIZES = {"batch": (1, 3)}


def settled(model: onnx.ModelProto) -> ir.Model:
    """The graph as the layout pass gets it."""
    result = ir.from_proto(model)
    for name, make in pipeline():
        if name == "Layout":
            return result
        result = make()(result).model
    raise ValueError("The pipeline has no layout pass.")


@pytest.mark.parametrize("boundary", ["channels_last", "source"])
def test_layout_alone(boundary: str) -> None:
    @settings(RANDOM, max_examples=150)
    @given(graphs())
    def check(model: onnx.ModelProto) -> None:
        note(onnx.printer.to_text(model))
        check_pass(Layout(boundary), settled(model), sizes=SIZES, reference=model)

    check()


@settings(RANDOM, max_examples=60)
@given(graphs(), st.sampled_from(["channels_last", "source"]))
def test_through_to_keras(model: onnx.ModelProto, layout: str) -> None:
    note(onnx.printer.to_text(model))
    check_onnx(model, sizes=SIZES, layout=layout)
