"""The table of rules that are changed on purpose: it fits the code, and what it runs exists."""

from __future__ import annotations

import ast

import pytest

from scripts.children import ROOT
from scripts.mutants import Mutant, main, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_the_table_fits_the_code(mutant: Mutant) -> None:
    ast.parse(mutant.changed())
    assert all((ROOT / test.partition("::")[0]).is_file() for test in mutant.tests.split())


def test_there_are_enough_and_few_that_nothing_kills() -> None:
    names = [mutant.name for mutant in mutants()]
    assert len(names) == len(set(names)) >= 60
    assert sum(bool(mutant.survives) for mutant in mutants()) <= 3


def test_a_changed_rule_is_noticed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["nan-positions", "--workers", "1"]) == 0
    assert "1 mutants, 0 survived" in capfd.readouterr().out
