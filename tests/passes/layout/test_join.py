"""Transposes that do the same, written once: behind what makes the value, and before what is split."""

from __future__ import annotations

import pytest

from passes.layout.turns.join import JoinTransposes
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators

SIZES = {"b": (1, 3), "t": (2, 5)}


def joined(body: str, *, modified: bool, outputs: str = "float[b,6,t] y") -> list[str]:
    """The operators after the pass."""
    model = graph(f"g (float[b,t,6] x) => ({outputs}) {{ {body} }}")
    InferShapes()(model)
    return operators(check_pass(JoinTransposes(), model, sizes=SIZES, modified=modified))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(
            "c = Cos(x) p = Transpose<perm=[0,2,1]>(c) q = Transpose<perm=[0,2,1]>(c) y = Add(p, q)",
            ["Cos", "Transpose", "Add"], id="of one value",
        ),
        pytest.param(
            "c, d = Split<axis=2, num_outputs=2>(x) p = Transpose<perm=[0,2,1]>(c) q = Transpose<perm=[0,2,1]>(d)"
            " y = Concat<axis=1>(p, q)", ["Transpose", "Split", "Concat"], id="of both parts",
        ),
        pytest.param(
            "s = Sin(x) c, d = Split<axis=2, num_outputs=2>(s) p = Transpose<perm=[0,2,1]>(c)"
            " q = Transpose<perm=[0,2,1]>(d) e, f = Split<axis=2, num_outputs=2>(s)"
            " r = Transpose<perm=[0,2,1]>(e) u = Transpose<perm=[0,2,1]>(f)"
            " v = Concat<axis=1>(p, r) w = Concat<axis=1>(q, u) y = Add(v, w)",
            ["Sin", "Transpose", "Split", "Split", "Concat", "Concat", "Add"], id="of parts of one value",
        ),
    ],
)  # fmt: skip
def test_joined(body: str, wanted: list[str]) -> None:
    assert joined(body, modified=True) == wanted


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("c = Cos(x) p = Transpose<perm=[0,2,1]>(c) q = Transpose<perm=[2,0,1]>(c)"
                     " r = Transpose<perm=[1,0,2]>(q) y = Add(p, r)", id="in other orders"),
        pytest.param("c, d = Split<axis=2, num_outputs=2>(x) p = Transpose<perm=[0,2,1]>(c)"
                     " q = Transpose<perm=[2,0,1]>(d) r = Transpose<perm=[1,0,2]>(q) y = Concat<axis=1>(p, r)",
                     id="parts in other orders"),
        pytest.param("c, d = Split<axis=2, num_outputs=2>(x) p = Transpose<perm=[0,2,1]>(c)"
                     " q = Transpose<perm=[0,2,1]>(d) e = Neg(c) f = ReduceSum<keepdims=0>(e) z = Concat<axis=1>(p, q)"
                     " y = Add(z, f)", id="a part that is read as it is, too"),
    ],
)  # fmt: skip
def test_left(body: str) -> None:
    joined(body, modified=False)


def test_an_output_stays_one() -> None:
    body = "c = Cos(x) y = Transpose<perm=[0,2,1]>(c) q = Transpose<perm=[0,2,1]>(c) z = Neg(q)"
    assert joined(body, modified=False, outputs="float[b,6,t] y, float[b,6,t] z").count("Transpose") == 2
