"""Integer inputs are tried up to the size of the tables that they index, whatever lies between."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import converter
from converter.proof.inputs.arrays import feeds
from converter.proof.inputs.cases import graph_inputs, plan
from converter.proof.inputs.index_bounds import index_bounds
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


class Positions(nn.Module):
    """A table of 20 rows from the third on, and a parameter that is cut to the length."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.places = nn.Embedding(20, 8)
        self.table = nn.Parameter(torch.rand(1, 16, 8)) if cut else None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        y = self.words(ids) + self.places(torch.arange(length) + 2)
        return y if self.table is None else y + self.table[:, :length]


@pytest.mark.parametrize(("cut", "most"), [(False, 18), (True, 16)])
def test_a_length_that_a_table_limits_is_said(cut: bool, most: int) -> None:
    conversion = converter.convert(Positions(cut=cut).eval(), inputs=["ids=int64[batch,length]"])
    assert conversion.verified
    assert f"length is at most {most}: the source's table of positions ends there." in conversion.report.notes


def test_a_length_that_nothing_limits_is_not_spoken_of() -> None:
    conversion = converter.convert(nn.Embedding(9, 4), inputs=["ids=int64[batch,length]"], verify=False)
    assert not any("at most" in note for note in conversion.report.notes)
