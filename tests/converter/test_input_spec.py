"""`--input` specifications."""

from __future__ import annotations

import pytest

from converter.input_spec import InputSpec, parse_input, parse_inputs
from converter.sources import load
from passes.errors import UsageError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("x=float32[batch,3,224,224]", InputSpec("x", "float32", ("batch", 3, 224, 224))),
        (" ids = int64[ n , 5 ] ".replace(" = ", "="), InputSpec("ids", "int64", ("n", 5))),
        ("scalar=int64[]", InputSpec("scalar", "int64", ())),
        ("input.1=float16[1]", InputSpec("input.1", "float16", (1,))),
    ],
)
def test_reads(text: str, spec: InputSpec) -> None:
    assert parse_input(text) == spec
    assert parse_input(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "float32[1,3]",
        "x=float32",
        "x=float33[1]",
        "x=float32[1,-3]",
        "x=float32[0]",
        "x=float32[1,,3]",
        "x=float32[1.5]",
        "x=float32[99999999999]",
        "x=float32[1,1,1,1,1,1,1,1,1]",
        "",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="nput specification"):
        parse_input(text)


def test_refuses_a_name_twice() -> None:
    with pytest.raises(UsageError, match="'x' is specified 2 times"):
        parse_inputs(["x=float32[1]", "x=float32[2]"])


@pytest.mark.parametrize("source", ["nothing", 7, None])
def test_refuses_what_is_no_source(source: object) -> None:
    with pytest.raises(UsageError, match="source"):
        load(source)
