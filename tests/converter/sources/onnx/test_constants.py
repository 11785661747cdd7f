"""Inputs that always have one value."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

import converter
from passes.errors import UsageError
from tests.conftest import Keraport
from tests.harness import graph

MODES = """
g (float[batch, 3] x, int64 mode) => (float[batch, 3] y) <int64 one = {1}> {
    c = Equal(mode, one)
    y = If(c) <
        then_branch = a () => (float[batch, 3] p) { s = Neg(x)  p = Exp(s) },
        else_branch = b () => (float[batch, 3] q) { t = Abs(x)  q = Identity(t) }>
}
"""
"""A branch by an input; the values that the branch not taken reads are not in use any more."""


def test_a_branch_is_chosen() -> None:
    both = converter.convert(graph(MODES)).report
    assert both.verification is not None
    assert both.verification["passed"]
    assert {"Neg", "Abs", "Where"} <= both.operators.keys()
    for mode, operators in ((1, {"Neg", "Exp"}), (0, {"Abs", "Identity"})):
        report = converter.convert(graph(MODES), constants={"mode": mode}).report
        assert report.verification is not None
        assert report.verification["passed"]
        assert set(report.operators) <= operators
        assert f"Constant inputs: mode={mode}." in report.notes


def test_the_command_line(keraport: Keraport, tmp_path: Path) -> None:
    path = tmp_path / "modes.onnx"
    ir.save(graph(MODES), path)
    ran = keraport("convert", path, "--constant", "mode=1", "-o", tmp_path / "m.keras")
    assert ran.code == 0, ran.err
    assert keraport("verify", tmp_path / "m.keras", path, "--constant", "mode=1").code == 0
    assert keraport("verify", tmp_path / "m.keras", path, "--constant", "mode=0").code == 3


@pytest.mark.parametrize(
    ("constants", "message"),
    [({"node": 1}, "no input 'node'"), ({"mode": "fast"}, "does not fit"), ({"x": [1.0, 2.0]}, "does not fit")],
)
def test_what_does_not_fit(constants: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        converter.convert(graph(MODES), constants=constants)
