"""Writes into a block of a tensor, as joins of what lies around it."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.shapes.infer import InferShapes
from passes.simplify.block_writes import JoinBlockWrites
from tests.harness import check_pass, graph, operators

SIZES = {"n": (3, 5), "b": (1, 2)}
SHORT_AND_LONG = {"n": (4, 9, 16), "m": (3, 4)}
LAST = 2**63 - 1


def run_of_rows(start: int, delta: int = 1, reduction: str = "none", *, first: int = 0) -> ir.Model:
    """x[start:] = relu of the first rows, by computed places."""
    model = graph(
        f"""g (float[n, 4, 6] x) => (float[a, 4, 6] y)
        <int64 first = {{{first}}}, int64 delta = {{{delta}}}, int64[1] start = {{{start}}}, int64[1] last = {{-1}},
         int64 zero = {{0}}, int64[1] far = {{9223372036854775807}}, int64[1] axis = {{0}}, int64[1] one = {{1}},
         int64[1] rest = {{{-start - first or 99}}}> {{
            s = Shape(x)  n = Gather(s, zero)  r = Range(first, n, delta)  c = Slice(r, start, far, axis, one)
            i = Unsqueeze(c, last)  u = Relu(x)  w = Slice(u, axis, rest, axis, one)  t = Neg(x)
            v = ScatterND<reduction="{reduction}">(t, i, w)  y = Abs(v)
        }}"""
    )
    InferShapes()(model)
    return model


@pytest.mark.parametrize(("start", "first"), [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)])
def test_a_run_to_the_end(start: int, first: int) -> None:
    model = check_pass(JoinBlockWrites(), run_of_rows(start, first=first), sizes=SIZES, modified=True)
    assert "ScatterND" not in operators(model)
    assert ("Concat" in operators(model)) is bool(start or first)


@pytest.mark.parametrize(
    ("start", "end", "pieces"), [(0, -7, 2), (-7, -3, 3), (-3, LAST, 2), (2, 5, 3), (0, 5, 2), (4, LAST, 2)]
)
def test_regions_of_shifted_windows(start: int, end: int, pieces: int) -> None:
    """Also of an axis that is shorter than where they begin or end."""
    model = check_pass(JoinBlockWrites(), region(start, end), sizes=SHORT_AND_LONG, modified=True)
    assert "ScatterND" not in operators(model)
    assert next(len(node.inputs) for node in model.graph if node.op_type == "Concat") == pieces


@pytest.mark.parametrize(("start", "end"), [(2, -3), (-7, 5), (5, 2), (-3, -7)])
def test_a_region_of_bounds_that_may_cross_stays(start: int, end: int) -> None:
    check_pass(JoinBlockWrites(), region(start, end), sizes=SHORT_AND_LONG, modified=False)


def region(start: int, end: int) -> ir.Model:
    """x[start:end] = 2.5 on all rows of an x but three."""
    model = graph(
        f"""g (float[n, m] x) => (float[a, m] y)
        <int64 zero = {{0}}, int64 one = {{1}}, int64[1] start = {{{start}}}, int64[1] end = {{{end}}},
         int64[1] first = {{0}}, int64[1] step = {{1}}, int64[1] last = {{-1}}, float fill = {{2.5}},
         int64[1] three = {{3}}, int64[1] far = {{{LAST}}}> {{
            t = Slice(x, three, far, first, step)
            s = Shape(t)  n = Gather(s, zero)  r = Range(zero, n, one)  c = Slice(r, start, end, first, step)
            i = Unsqueeze(c, last)  u = Slice(t, start, end, first, step)  us = Shape(u)  w = Expand(fill, us)
            v = ScatterND(t, i, w)  y = Abs(v)
        }}"""
    )
    InferShapes()(model)
    return model


@pytest.mark.parametrize("reduction", ["add", "max"])
def test_what_is_reduced_stays(reduction: str) -> None:
    check_pass(JoinBlockWrites(), run_of_rows(1, reduction=reduction), sizes=SIZES, modified=False)


@pytest.mark.parametrize(
    ("places", "shape", "updates"),
    [
        ("1, 2", "2, 1", "2, 4, 6"),
        ("0, 1, 2", "3, 1", "3, 4, 6"),
        ("0, 1, 0, 2, 1, 1, 1, 2", "2, 2, 2", "2, 2, 6"),
        ("2, 0, 2, 1, 2, 2, 2, 3", "1, 4, 2", "1, 4, 6"),
        ("1, 2, 3, 1, 2, 4", "1, 1, 2, 3", "1, 1, 2"),
    ],
)
def test_constant_blocks(places: str, shape: str, updates: str) -> None:
    model = check_pass(JoinBlockWrites(), constant_write(places, shape, updates), sizes=SIZES, modified=True)
    assert "ScatterND" not in operators(model)


@pytest.mark.parametrize(
    ("places", "shape", "updates"),
    [
        ("2, 1", "2, 1", "2, 4, 6"),
        ("0, 2", "2, 1", "2, 4, 6"),
        ("1, 1", "2, 1", "2, 4, 6"),
        ("-1", "1, 1", "1, 4, 6"),
        ("0, 0, 1, 1", "2, 2", "2, 6"),
        ("0, 1, 1, 1, 0, 2, 1, 2", "2, 2, 2", "2, 2, 6"),
    ],
    ids=["falling", "gap", "twice", "from the end", "diagonal", "turned"],
)
def test_what_is_no_block_stays(places: str, shape: str, updates: str) -> None:
    check_pass(JoinBlockWrites(), constant_write(places, shape, updates), sizes=SIZES, modified=False)


def constant_write(places: str, shape: str, updates: str) -> ir.Model:
    count = 1
    for size in updates.split(", "):
        count *= int(size)
    numbers = ", ".join(str(0.5 + i) for i in range(count))
    model = graph(
        f"""g (float[3, 4, 6] x) => (float[3, 4, 6] y)
        <int64[{shape}] i = {{{places}}}, float[{updates}] w = {{{numbers}}}> {{
            t = Neg(x)  v = ScatterND(t, i, w)  y = Abs(v)
        }}"""
    )
    InferShapes()(model)
    return model
