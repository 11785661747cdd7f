"""The module beside onnxruntime, and in float64 beside both."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

from converter.ports import Port
from converter.proof import torch_reference
from converter.proof.inputs.cases import Case
from converter.proof.inputs.trials import Trial
from converter.proof.judge import Judge
from converter.proof.oracle import Oracle
from converter.proof.torch_reference import ask_module
from converter.proof.verdict import Verification
from converter.sources import InputSpec, Source
from converter.sources.torch.reference import Reference, parameter_bytes
from tests.harness import graph

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
MODEL = graph("g (float[batch,4] x) => (float[batch,4] y) { y = Tanh(x) }")


def source_of(module: torch.nn.Module, *names: str, examples: tuple[Any, ...] | None = None) -> Source:
    specs = tuple(InputSpec(name, "float32", ("batch", 4)) for name in names or ("x",))
    return Source(MODEL, "", "module", torch_module=module, example_inputs=examples, inputs=specs)


def ask(module: torch.nn.Module, by_oracle: np.ndarray, by_keras: np.ndarray | None) -> Verification:
    result = Verification("", "")
    trial = Trial(Case(0, {}), {"x": X}, [by_oracle])
    judge = Judge(Oracle(MODEL), [Port("y", ("batch", 4), "float32")])
    ask_module(source_of(module), judge, trial, None if by_keras is None else [by_keras], result)
    return result


def test_all_three_agree() -> None:
    y = np.tanh(X)
    found = ask(torch.nn.Tanh(), y, y)
    assert found.export is not None
    assert found.export.passed
    (precision,) = found.precision
    assert precision.passed
    assert precision.rmse_oracle < 1e-7


def test_an_export_that_differs_is_named_as_such() -> None:
    found = ask(torch.nn.Tanh(), np.tanh(X) + np.float32(0.1), np.tanh(X) + np.float32(0.1))
    assert found.export is not None
    assert not found.export.passed


def test_keras_may_not_be_much_further_from_the_truth_than_onnxruntime() -> None:
    found = ask(torch.nn.Tanh(), np.tanh(X), np.tanh(X) + np.float32(5e-6))
    assert not found.precision[0].passed
    assert found.export is not None
    assert found.export.passed


def test_a_module_that_does_not_run_gives_no_opinion() -> None:
    class Fails(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("only on Mondays")

    found = ask(Fails(), X, X)
    assert found.export is None
    assert "only on Mondays" in found.notes[0]


def test_a_module_that_insists_on_float32_has_no_precision() -> None:
    class Single(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.dtype != torch.float32:
                raise TypeError("float32 please")
            return x.tanh()

    found = ask(Single(), np.tanh(X), np.tanh(X))
    assert found.precision == []
    assert "float32 please" in found.notes[0]


def test_a_module_that_breaks_down_in_float64_has_no_precision() -> None:
    class Breaks(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.tanh() if x.dtype == torch.float32 else x / 0

    found = ask(Breaks(), np.tanh(X), np.tanh(X))
    assert found.export is not None
    assert found.export.passed
    assert found.precision == []
    assert "In float64 the module's 'y' is not finite" in found.notes[0]


def test_what_is_not_finite_in_both_is_left_out_of_the_measure() -> None:
    class Log(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.log()

    y = torch.from_numpy(X).log().numpy()
    (precision,) = ask(Log(), y, y).precision
    assert precision.passed
    assert np.isfinite(precision.allowed)


def test_where_keras_stopped_the_export_is_judged_all_the_same() -> None:
    found = ask(torch.nn.Tanh(), np.tanh(X), None)
    assert found.export is not None
    assert found.precision == []


def test_a_large_module_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_reference.memory_budget, "machine_memory", lambda: 64)
    layer = torch.nn.Linear(4, 4)
    assert parameter_bytes(source_of(layer)) == 80
    with torch.no_grad():
        y = layer(torch.from_numpy(X)).numpy()
    assert "too large to be copied" in ask(layer, y, y).notes[0]


def test_the_module_is_left_in_its_mode_and_its_precision() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.9)).train()
    module[0].eval()
    first = Reference(source_of(module), double=True).run({"x": X})
    assert first[0].dtype == np.float64
    assert np.allclose(first[0], Reference(source_of(module)).run({"x": X})[0], atol=1e-6)
    assert [m.training for m in module.modules()] == [True, False, True]
    assert module[0].weight.dtype == torch.float32


def test_arguments_by_name_and_by_place() -> None:
    class Takes(torch.nn.Module):
        def forward(self, a: torch.Tensor, scale: float = 1.0, *, b: torch.Tensor) -> dict[str, Any]:
            return {"sum": a * scale + 2 * b, "parts": [a, b]}

    class ByPlace(torch.nn.Module):
        def forward(self, a: torch.Tensor, scale: float, b: torch.Tensor) -> torch.Tensor:
            return a * scale + b

    named = Reference(source_of(Takes(), "a", "b", examples=(torch.ones(1), torch.ones(1)))).run({"a": X, "b": X})
    assert [a.shape for a in named] == [(3, 4)] * 3
    assert np.array_equal(named[0], 3 * X)
    placed = source_of(ByPlace(), "a", "other", examples=(torch.ones(1), 10.0, torch.ones(1)))
    assert np.allclose(Reference(placed).run({"a": X, "other": X})[0], 11 * X)


def test_bfloat16_goes_in_and_comes_out() -> None:
    half = X.astype(ml_dtypes.bfloat16)
    (y,) = Reference(source_of(torch.nn.ReLU())).run({"x": half})
    assert y.dtype.name == "bfloat16"
    assert np.array_equal(y, np.maximum(half, 0))
