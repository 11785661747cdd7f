"""The first pass, or the first layer, that computes something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.proof.guilt.first_difference import Traced, Tracing, first_difference
from converter.proof.oracle import Oracle
from tests.harness import graph

TEXT = """
g (float[1,2] x) => (float[1,2] y)
{ [first] a = Relu(x)  [second] b = Neg(a)  [third] y = Exp(b) }
"""
FEEDS = {"x": np.array([[1, -2]], np.float32)}
Observer = Callable[[str, ir.Model], None]


def passes(*broken: str) -> Callable[[Observer], ir.Model]:
    """Three passes that do nothing, but those named turn the first Relu into an Abs."""

    def run(observer: Observer) -> ir.Model:
        model = graph(TEXT)
        for name in ("settle", "pads", "layout"):
            if name in broken:
                model.graph.node(0).op_type = "Abs"
            observer(name, model)
        return model

    return run


def trace_with(**wrong: float) -> Callable[[list[np.ndarray]], Iterator[Traced]]:
    """The values as a model would compute them, the last one first; those named are off by so much."""

    def trace(inputs: list[np.ndarray]) -> Iterator[Traced]:
        values = Oracle(graph(TEXT)).values({"x": inputs[0]})
        for name in reversed(values):
            yield name, f"layer_{name}", f"module.{name}", f"node {name}", values[name] + np.float32(wrong.get(name, 0))

    return trace


def find(run: Any, trace: Any) -> dict[str, Any]:
    """The model in isolation is the model as it runs: the layers here add to what the oracle says."""
    tracing = Tracing(trace, lambda known: trace([known["x"]]))
    return first_difference(FEEDS, Oracle(graph(TEXT)).run(FEEDS), run_passes=run, tracing=tracing)


def test_the_pass_that_changed_the_outcome_is_named() -> None:
    found = find(passes("pads"), trace_with(a=1))
    assert (found["stage"], found["pass"], found["value"]) == ("pass", "pads", "y")
    assert found["max_abs"] > 0.8


def test_the_first_layer_in_the_order_of_the_graph_is_named() -> None:
    found = find(passes(), trace_with(b=0.5, y=0.5))
    assert found["stage"] == "layer"
    assert (found["layer"], found["module"], found["node"], found["value"]) == ("layer_b", "module.b", "node b", "b")
    assert found["max_abs"] == 0.5


def test_a_model_that_agrees_in_memory_was_saved_wrongly() -> None:
    assert find(passes(), trace_with())["stage"] == "saved file"


def test_a_stage_that_onnxruntime_refuses_says_nothing() -> None:
    def run(observer: Observer) -> ir.Model:
        model = graph(TEXT)
        odd = graph(TEXT)
        odd.graph.node(0).op_type = "NoSuchOperator"
        observer("odd", odd)
        observer("fine", model)
        return model

    assert find(run, trace_with(a=1))["layer"] == "layer_a"
