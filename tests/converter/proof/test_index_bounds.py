"""Integer inputs are tried up to the size of the tables that they index, whatever lies between."""

from __future__ import annotations

import numpy as np
import pytest

from converter.proof.cases import feeds, graph_inputs, plan
from converter.proof.index_bounds import index_bounds
from tests.harness import graph

TABLE = "float[50, 3] table = {" + ", ".join(["0"] * 150) + "}"
WAYS = {
    "directly": ("y = Gather(table, i)", 50),
    "cast": ("j = Cast<to = 7>(i)  y = Gather(table, j)", 50),
    "reshaped": ("s = Reshape(i, flat)  j = Cast<to = 7>(s)  u = Unsqueeze(j, zero)  y = Gather(table, u)", 50),
    "chosen": ("m = Less(i, two)  w = Where(m, i, two)  j = Cast<to = 7>(w)  y = Gather(table, j)", 50),
    "clipped": ("c = Clip(i, zeros, nines)  j = Cast<to = 7>(c)  y = Gather(table, j)", 10),
    "shifted": ("a = Add(i, two)  j = Cast<to = 7>(a)  y = Gather(table, j)", 48),
    "one hot": ("y = OneHot(i, depth, off)", 20),
}


@pytest.mark.parametrize("name", WAYS)
def test_inputs_are_followed_to_the_table(name: str) -> None:
    body, bound = WAYS[name]
    model = graph(
        f"g (int32[b, 6] i) => (float[n, m, k] y) <{TABLE}, int64[1] flat = {{-1}}, int64[1] zero = {{0}},"
        f" int32 two = {{2}}, int32 zeros = {{0}}, int32 nines = {{9}}, int64 depth = {{20}},"
        f" float[2] off = {{0, 1}}> {{ {body} }}"
    )
    (value,) = graph_inputs(model)
    assert min(index_bounds(value)) == bound
    tried = np.concatenate([feeds([value], case)["i"].ravel() for case in plan([value])])
    assert tried.max() >= bound // 2 and tried.max() < bound and tried.min() >= 0


@pytest.mark.parametrize(
    "body",
    ["y = Mul(i, i)", "c = Cast<to = 9>(i)  w = Where(c, two, zero)  y = Gather(table, w)"],
    ids=["alone", "choice"],
)
def test_an_input_that_indexes_nothing_has_no_bound(body: str) -> None:
    model = graph(f"g (int64[b, 6] i) => (float y) <{TABLE}, int64 two = {{2}}, int64 zero = {{0}}> {{ {body} }}")
    assert not list(index_bounds(model.graph.inputs[0]))
