"""How many numbers training changes, in the model and in the source, and why they differ where they do."""

from __future__ import annotations

import torch
from torch import nn

import converter
from converter.report import Report
from tests.harness import graph


class Auxiliary(nn.Module):
    """A head that only training uses."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.aside = nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).relu())


def reported(module: nn.Module) -> Report:
    torch.manual_seed(0)
    return converter.convert(module.eval(), inputs=["x=float32[batch,4]"], verify=False).report


def counts(report: Report) -> tuple[int | None, ...]:
    return report.trainable_parameters, report.source_trainable_parameters, report.source_unused_parameters


def test_a_head_that_evaluation_does_not_use() -> None:
    report = reported(Auxiliary())
    assert counts(report) == (51, 65, 14)
    assert "Evaluation does not use these parameters of the source: aside.bias, aside.weight." in report.notes


def test_what_is_equal_needs_no_note() -> None:
    report = reported(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)))
    assert counts(report) == (42, 42, 0)
    assert not report.notes


def test_kernels_that_are_computed() -> None:
    """A weight norm is a kernel in Keras: what was a scale and a direction is trained as one."""
    report = reported(nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)))
    trained, of_source, unused = counts(report)
    assert (trained, of_source, unused) == (30, 36, 0)
    assert any("trained as they were computed from the parameters" in note for note in report.notes)


def test_a_file_has_no_counts_of_its_own() -> None:
    source = graph("g (float[b,4] x) => (float[b,2] y) <float[4,2] w = {1, 2, 3, 4, 5, 6, 7, 8}> { y = MatMul(x, w) }")
    assert counts(converter.convert(source, verify=False).report) == (8, None, None)
