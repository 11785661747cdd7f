"""Tables cut to the length of a sequence have that length, where they meet it."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.normalize.position_table_length import NormalizePositionTables
from passes.shapes.infer import InferShapes
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
    settled = check_pass(NormalizePositionTables(), model, sizes={"b": (1, 3), "t": (1, 2, 4)}, modified=True)
    assert shape_of(settled, "p") == ["t"]


def test_rows_from_the_third_on() -> None:
    model = graph("""g (float[b, t] x) => (float[b, t] y) <float[6] table = {1, 2, 3, 4, 5, 6}, int64[1] two = {2}> {
        s = Shape<start=1, end=2>(x)  e = Add(s, two)  p = Slice(table, two, e)  y = Add(x, p) }""")
    InferShapes()(model)
    settled = check_pass(NormalizePositionTables(), model, sizes={"b": (1, 3), "t": (1, 2, 4)}, modified=True)
    assert shape_of(settled, "p") == ["t"]


def test_one_row_may_meet_any_length() -> None:
    model = graph("""g (float[b, t] x) => (float[b, t] y) <float[1] table = {5}, int64[1] zero = {0}> {
        s = Shape<start=1, end=2>(x)  p = Slice(table, zero, s)  y = Add(x, p) }""")
    InferShapes()(model)
    model.graph.node(1).outputs[0].shape = ir.Shape(["Min(1, t)"])  # as a file may have it
    settled = check_pass(NormalizePositionTables(), model, sizes={"b": (1, 3), "t": (1, 2, 4)}, modified=False)
    assert shape_of(settled, "p") == ["Min(1, t)"]


def test_what_derives_from_it_follows() -> None:
    model = inferred("q = Exp(p)  y = Add(x, q)", "float[b, t] y")
    settled = check_pass(NormalizePositionTables(), model, sizes={"b": (2,), "t": (3,)}, modified=True)
    assert shape_of(settled, "p") == shape_of(settled, "q") == ["t"]


def test_a_table_that_meets_nothing_is_cut_off_at_its_end() -> None:
    settled = check_pass(
        NormalizePositionTables(), inferred("y = Exp(p)", "float[n] y"), sizes={"b": (2,), "t": (2, 9)}, modified=False
    )
    assert shape_of(settled, "y") == ["Min(4, t)"]


def test_a_table_that_meets_another_length_stays() -> None:
    model = graph("""g (float[b, u] x, float[b, t] z) => (float[b, n] y)
    <float[4] table = {1, 2, 3, 4}, int64[1] zero = {0}> {
        s = Shape<start=1, end=2>(z)  p = Slice(table, zero, s)  y = Add(x, p) }""")
    InferShapes()(model)
    sizes = {"b": (2,), "t": (3, 9), "u": (1,)}
    assert shape_of(check_pass(NormalizePositionTables(), model, sizes=sizes, modified=False), "p") == ["Min(4, t)"]
