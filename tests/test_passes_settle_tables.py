"""Tables cut to the length of a sequence have that length, where they meet it."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.infer_shapes import InferShapes
from passes.settle_tables import SettleTables
from tests.harness import check_pass, graph

CUT = "s = Shape<start=1, end=2>(x)  p = Slice(table, zero, s)"


def inferred(body: str, output: str) -> ir.Model:
    model = graph(f"""g (float[b, t] x) => ({output}) <float[4] table = {{1, 2, 3, 4}}, int64[1] zero = {{0}}> {{
        {CUT}  {body} }}""")
    InferShapes()(model)
    return model


def shape_of(model: ir.Model, name: str) -> list[str]:
    return next([str(d) for d in v.shape or ()] for n in model.graph for v in n.outputs if v.name == name)


@pytest.mark.parametrize("body", ["y = Add(x, p)", "y = Mul(p, x)", "d = Shape(x)  e = Expand(p, d)  y = Sub(e, x)"])
def test_a_broadcast_proves_it(body: str) -> None:
    model = inferred(body, "float[b, t] y")
    assert shape_of(model, "p") == ["Min(4, t)"]
    settled = check_pass(SettleTables(), model, sizes={"b": (1, 3), "t": (1, 2, 4)}, modified=True)
    assert shape_of(settled, "p") == ["t"]


def test_what_derives_from_it_follows() -> None:
    model = inferred("q = Exp(p)  y = Add(x, q)", "float[b, t] y")
    settled = check_pass(SettleTables(), model, sizes={"b": (2,), "t": (3,)}, modified=True)
    assert shape_of(settled, "p") == shape_of(settled, "q") == ["t"]


def test_a_table_that_meets_nothing_is_cut_off_at_its_end() -> None:
    settled = check_pass(
        SettleTables(), inferred("y = Exp(p)", "float[n] y"), sizes={"b": (2,), "t": (2, 9)}, modified=False
    )
    assert shape_of(settled, "y") == ["Min(4, t)"]
