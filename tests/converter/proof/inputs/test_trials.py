"""Inputs that the source accepts: found by asking it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from converter.proof.inputs.examples import example_arrays
from converter.proof.inputs.trials import Trials, make_trials
from converter.proof.oracle import Oracle
from converter.sources import Source
from passes.errors import BadSource, UsageError
from tests.harness import graph


def source_of(text: str, **fields: Any) -> Source:
    return Source(graph(text), "a graph", "onnx", **fields)


def shapes(source: Source, notes: list[str] | None = None, **examples: np.ndarray) -> list[tuple[int, ...]]:
    making = Trials(source, Oracle(source.model))
    trials = make_trials(making, examples, [] if notes is None else notes, proving=lambda trial: True)
    return [next(iter(trial.shapes.values())) for trial in trials]


HALVES = """
g (float[batch,1,h,h] x) => (float[batch,1,h2,h2] y)
<int64[4] half = {0, 1, 32, 32}> { y = Reshape(x, half) }
"""
"""Runs at 32 × 32 only."""

MULTIPLES = """
g (float[1,1,h,w] x) => (float[n,32] y)
<int64[2] s = {-1, 32}> { y = Reshape(x, s) }
"""
"""Runs where height times width is a multiple of 32."""

LONG = """
g (float[1,1,n] x) => (float[1,1,m] y)
<float[1,1,300] k = {KERNEL}> { y = Conv<kernel_shape=[300]>(x, k) }
""".replace("KERNEL", ", ".join(["0.5"] * 300))


def test_sizes_that_the_source_refuses_are_noted() -> None:
    notes: list[str] = []
    assert shapes(source_of(MULTIPLES), notes) == [(1, 1, 64, 64)] * 3 + [(1, 1, 96, 128)]
    assert len(notes) == 1
    assert notes[0].startswith("The source itself does not run at x (1, 1, 67, 69)")


def test_larger_sizes_are_tried_until_the_source_runs() -> None:
    assert shapes(source_of(LONG)) == [*[(1, 1, 512)] * 3, (1, 1, 641)]


def test_a_source_that_never_runs() -> None:
    with pytest.raises(BadSource, match="at no size that was tried") as caught:
        shapes(source_of(HALVES))
    assert "--input" in (caught.value.hint or "")


def test_an_example_makes_it_run() -> None:
    notes: list[str] = []
    found = shapes(source_of(HALVES), notes, x=np.zeros((1, 1, 32, 32), np.float32))
    assert [shape[0] for shape in found] == [1, 1, 2, 3]
    assert {shape[1:] for shape in found} == {(1, 32, 32)}
    assert len(notes) == 2


def test_what_a_module_was_exported_with_gives_the_sizes_only() -> None:
    tensor = torch.zeros(2, 1, 16, 16)
    text = "g (float[batch,1,h,w] x) => (float[batch,1,h,w] y) { y = Relu(x) }"
    source = source_of(text, example_inputs=(tensor,), torch_module=torch.nn.ReLU())
    assert shapes(source) == [(1, 1, 16, 16), (2, 1, 16, 16), (3, 1, 16, 16), (2, 1, 48, 80), (2, 1, 19, 21)]


def test_an_example_for_a_size_that_the_export_fixed_is_noted() -> None:
    text = "g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"
    notes: list[str] = []
    example = np.zeros((5, 4), np.float32)
    assert shapes(source_of(text, torch_module=torch.nn.ReLU()), notes, x=example) == [(1, 4)] * 3
    assert notes[0].startswith("The example inputs were not tried")
    with pytest.raises(UsageError, match="the source wants"):
        shapes(source_of(text), x=example)


def test_examples_by_name_by_place_and_with_constants_between() -> None:
    source = source_of("g (float[2] a, int64[2] b) => (float[2] y) { t = Cast<to=1>(b)  y = Add(a, t) }")
    a, b = torch.ones(2, requires_grad=True), np.zeros(2, np.int64)
    assert set(example_arrays(source, {"a": a})) == {"a"}
    assert list(example_arrays(source, (a, None, b))) == ["a", "b"]
    assert example_arrays(source, None) == {}
    with pytest.raises(UsageError, match="There is no input 'c'"):
        example_arrays(source, {"c": a})
    with pytest.raises(UsageError, match="1 example inputs for 2 inputs"):
        example_arrays(source, a)
    half = example_arrays(source, (torch.ones(2, dtype=torch.bfloat16), b))["a"]
    assert half.dtype.name == "bfloat16"
