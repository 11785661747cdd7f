"""Every operator of the registry has cases, and they do reach it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import pytest

from converter import convert
from converter.backends.keras import ops  # noqa: F401 - fills the registry
from converter.backends.keras.build.registry import OPERATORS, op
from converter.prepare import prepare
from passes.errors import operator
from tests.harness import graph
from tests.op_cases import Case

FAMILIES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py") if path.stem != "test_registry")


def tables() -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for family in FAMILIES:
        for name, cases in importlib.import_module(f"{__package__}.{family}").CASES.items():
            assert name not in found, f"{name} has cases in two files"
            found[name] = list(cases)
    return found


TABLES = tables()


def test_tables_are_about_operators_that_exist() -> None:
    assert sorted(set(TABLES) - set(OPERATORS)) == []


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operator_is_exercised(name: str) -> None:
    """Some case of the operator's table comes to the backend as this operator."""
    assert TABLES.get(name), f"no test_ops_*.py has a case for {name}"
    assert any(name in found for found in _operators(TABLES[name])), f"no case of {name} reaches it"


def _operators(cases: list[Case]) -> Iterator[set[str]]:
    for case in cases:
        for context in case.possible_contexts:
            final = prepare(ir.from_proto(case.model(context)), keep_normalised=False).final
            yield {operator(node) for node in final.graph}


def test_an_attribute_that_the_function_lacks_is_refused() -> None:
    node = ir.node("Selu", [ir.Value(name="x")], {"alpha": 1.5, "steepness": 2.0}, name="n")
    problem = OPERATORS["Selu"].problem(node)
    assert problem is not None and "steepness" in str(problem)
    assert OPERATORS["Selu"].problem(ir.node("Selu", [ir.Value(name="x")], {"alpha": 1.5}, name="n")) is None


def test_a_constant_where_an_operator_wants_a_tensor_becomes_one() -> None:
    """A table of positions, resized to the image: saved and loaded again."""
    numbers = ", ".join(str(number) for number in range(12))
    text = f"""g (float[batch, 2, h, w] x) => (y) <float[1, 2, 2, 3] table = {{{numbers}}}, int64[1] two = {{2}},
        int64[1] four = {{4}}, int64[2] kept = {{1, 2}}> {{
            s = Shape(x)  edges = Slice(s, two, four)  sizes = Concat<axis=0>(kept, edges)
            grown = Resize<mode="linear">(table, , , sizes)  y = Add(x, grown) }}"""
    assert convert(graph(text)).verified


def test_two_functions_for_one_operator_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="There are two functions for Relu"):
        op("Relu")(lambda x, *, name: x)
