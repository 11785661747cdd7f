"""Lookups at every place of a tensor."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.shapes.infer import InferShapes
from passes.simplify.identity_gather_nd import RemoveIdentityGathers
from tests.harness import check_pass, graph, operators

SIZES = {"b": (1, 3), "t": (1, 4)}
RANGES = """
    bs = Shape<start=0, end=1>(mask)  ts = Shape<start=1, end=2>(mask)  bn = Squeeze(bs)  tn = Squeeze(ts)
    rows = Range(zero, bn, one)  columns = Range({start}, tn, one)
"""
CONSTANTS = """<int64 zero = {0}, int64 one = {1}, int64[1] first = {1}, int64[4] for_rows = {1, 2, 3, 4},
    int64[4] for_columns = {0, 1, 2, 4}, int64[2] swapped = {1, 2}, int64[2] other = {0, 2}>"""
GRID = """
    a = Unsqueeze(rows, for_rows)  c = Unsqueeze(columns, for_columns)
    shape = Concat<axis=0>(bs, {q}, first, {k}, first)  i = Expand(a, shape)  j = Expand(c, shape)
    l = Concat<axis=-1>(i, j)  y = GatherND(mask, l)
"""
TURNED = """
    a = Unsqueeze(rows, other)  c = Unsqueeze(columns, swapped)  shape = Concat<axis=0>(ts, bs, first)
    i = Expand(a, shape)  j = Expand(c, shape)  l = Concat<axis=-1>(i, j)  y = GatherND(mask, l)
"""


def inferred(body: str, output: str, start: str = "zero") -> ir.Model:
    model = graph(f"g (int64[b, t] mask) => (int64[{output}] y) {CONSTANTS} {{ {RANGES.format(start=start)} {body} }}")
    InferShapes()(model)
    return model


def test_a_mask_of_batch_and_key() -> None:
    model = inferred(GRID.format(q="first", k="ts"), "b, 1, 1, t")
    tidied = check_pass(RemoveIdentityGathers(), model, sizes=SIZES, modified=True)
    assert operators(tidied)[-1] == "Unsqueeze"
    assert tidied.graph[-1].inputs[0] is tidied.graph.inputs[0]


@pytest.mark.parametrize(
    ("body", "output", "start"),
    [
        pytest.param(GRID.format(q="ts", k="ts"), "b, q, 1, t", "zero", id="repeated"),
        pytest.param(TURNED, "t, b", "zero", id="transposed"),
        pytest.param(f"us = Sub(ts, first)  {GRID.format(q='first', k='us')}", "b, 1, 1, u", "one", id="from-one"),
    ],
)
def test_other_lookups_stay(body: str, output: str, start: str) -> None:
    check_pass(RemoveIdentityGathers(), inferred(body, output, start), sizes={"b": (3,), "t": (4,)}, modified=False)


STRIDED = """g (float[b, 3] x) => (y)
<int64[1] flat = {{3}}, int64[1] first = {{0}}, int64[1,3,1] places = {{{places}}}> {{
    m = ReduceSum(x, first)  l = Reshape(m, flat)  y = Gather(l, places) }}"""


@pytest.mark.parametrize(("places", "last"), [("0, 1, 2", "Reshape"), ("0, 2, 1", "Gather"), ("0, 1, 1", "Gather")])
def test_a_view_by_strides(places: str, last: str) -> None:
    model = graph(STRIDED.format(places=places))
    InferShapes()(model)
    tidied = check_pass(RemoveIdentityGathers(), model, sizes={"b": (1, 2)}, modified=last == "Reshape")
    assert operators(tidied)[-1] == last
