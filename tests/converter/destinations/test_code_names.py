"""Functions of written code are called after classes, or after modules; names that Python has are left to it."""

from __future__ import annotations

import pytest

from converter.destinations.code.expressions import Literal, Name, Named, Tree, call, group, lines, text
from converter.destinations.code.function_names import function_name


@pytest.mark.parametrize(
    ("model", "kind", "wanted"),
    [
        ("layer1-0", "BasicBlock", "basic_block"),
        ("layer1-0", "MLPBlock", "mlp_block"),
        ("layer1-0", "Sequential", "layer1_block"),
        ("layer1-0", "", "layer1_block"),
        ("features-3-block", "", "block"),
        ("encoder", "", "encoder"),
        ("blocks-2-attn.dot", "", "dot"),
        ("lambda", "", "lambda_2"),
        ("layers", "", "layers_2"),
        ("17", "", "block"),
    ],
)
def test_function_name(model: str, kind: str, wanted: str) -> None:
    assert function_name(model, {model: kind}, ()) == wanted


def test_a_name_that_is_taken_is_counted() -> None:
    assert function_name("a-0", {}, ["a_block", "a_block_2"]) == "a_block_3"


def test_text() -> None:
    assert text(group("tuple", [Literal(1)])) == "(1,)"
    assert text(group("list", [])) == "[]"
    assert text(Named("")) == "name"
    assert text(Named('-{a}"')) == 'f"{name}-{{a}}\\""'
    assert text(Literal(float("-inf"))) == 'float("-inf")'
    index = [Name("x"), group("slice", [Literal(None), Literal(3), Literal(2)]), Literal(...), Literal(0)]
    assert text(Tree("subscript", "", dict(enumerate(index)))) == "x[:3:2, ..., 0]"


def test_long_calls_are_broken_at_their_arguments() -> None:
    short = call("f", *(Literal("a" * 20) for _ in range(3)))
    assert lines("x = ", short) == [f"x = {text(short)}"]
    longer = call("f" * 20, *(Literal("a" * 20) for _ in range(4)))
    assert lines("x = ", longer, "    ") == [f"    x = {'f' * 20}(", f"        {text(longer)[21:-1]}", "    )"]
    longest = call("f", *(Literal("a" * 20) for _ in range(6)))
    assert lines("x = ", longest) == ["x = f(", *(f'    "{"a" * 20}",' for _ in range(6)), ")"]
