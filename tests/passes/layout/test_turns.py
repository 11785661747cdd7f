"""Transposes that are taken back into what they transpose: an operator gives its result in another order."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from passes.fuse.dense import FuseDense
from passes.layout.turns.take_back import TakeBackTransposes
from passes.order import run_pipeline
from passes.shapes.infer import InferShapes
from tests.harness import check_onnx, check_pass, graph, operators

SIZES = {"b": (1, 3), "t": (2, 4), "s": (1, 5)}

TAKEN = {
    "an Einsum": ("float[b,t,4] x, float[b,s,4] y", 'u = Einsum<equation="btk,bsk->bts">(x, y)', "[0,2,1]", "b,s,t"),
    "what computes each element": (
        "float[b,t,4] x, float[b,s,4] y",
        'e = Einsum<equation="btk, bsk->bts">(x, y) h = Mul(e, half) u = Tanh(h)',
        "[2,0,1]",
        "s,b,t",
    ),
    "one against another": (
        "float[t] x, float[s] y",
        "c = Unsqueeze(x, one) d = Sub(c, y) h = Abs(d) u = Where(yes, h, d)",
        "[1,0]",
        "s,t",
    ),
    "axes of size 1 taken away": (
        "float[b,t,4] x, float[b,s,4] y",
        'e = Einsum<equation="btk,bsk->bts">(x, y) w = Unsqueeze(e, one) n = Neg(w) u = Squeeze(n, one)',
        "[1,2,0]",
        "t,s,b",
    ),
    "columns of a table": ("int64[b,t] ids", "u = Gather<axis=0>(table, ids)", "[2,0,1]", "3,b,t"),
    "rows that are looked up in what is computed": (
        "float[b,4] x, float[5,4] y, int64[t,2] ids",
        'e = Einsum<equation="bk,sk->bs">(x, y) u = Gather<axis=1>(e, ids)',
        "[1,2,0]",
        "t,2,b",
    ),
    "an axis that is split": (
        "float[b,6,4] x, float[b,5,4] y",
        'e = Einsum<equation="btk,bsk->bts">(x, y) r = Reshape(e, split) u = Tanh(r)',
        "[3,0,1,2]",
        "5,b,2,3",
    ),
    "axes that are joined, and one of size 1": (
        "float[b,1,4] x, float[5,3,4] y",
        'e = Einsum<equation="btk,sck->btsc">(x, y) u = Reshape(e, joined)',
        "[1,0]",
        "15,b",
    ),
    "values that are joined": (
        "float[b,4] x, float[b,4] y",
        "c = Unsqueeze(x, two) d = Unsqueeze(y, two) u = Concat<axis=2>(c, d, c)",
        "[0,2,1]",
        "b,3,4",
    ),
    "a constant among what is added": (
        "float[b,t,4] x, float[b,2,4] y",
        'e = Einsum<equation="btk,bsk->bts">(x, y) u = Add(e, row)',
        "[1,2,0]",
        "t,2,b",
    ),
    "places of an Einsum": (
        "float[b,t,4] x, float[b,s,4] y, bool[b,1,s] at",
        'e = Einsum<equation="btk,bsk->bts">(x, y) r = Cast<to=7>(at) u = GatherElements<axis=1>(e, r)',
        "[0,2,1]",
        "b,s,1",
    ),
    "what was transposed before": (
        "float[b,t,4] x, float[b,4,t] y",
        "v = Transpose<perm=[0,2,1]>(x) m = Mul(v, v) w = Neg(m) u = Transpose<perm=[1,0,2]>(w)",
        "[1,2,0]",
        "b,t,4",
    ),
    "a product": ("float[b,t,4] x, float[b,4,s] y", "u = MatMul(x, y)", "[2,0,1]", "s,b,t"),
    "scores, weighed": (
        "float[2,b,t,4] x, float[2,b,4,s] y",
        "e = MatMul(x, y) m = Mul(e, half) u = Softmax<axis=-1>(m)",
        "[1,3,2,0]",
        "b,s,t,2",
    ),
    "scores of logarithms": (
        "float[b,t,4] x, float[b,4,s] y",
        "e = MatMul(x, y) u = LogSoftmax<axis=1>(e)",
        "[2,1,0]",
        "s,t,b",
    ),
    "axes that are split": (
        "float[b,6,4] x, float[b,4,s] y",
        "e = MatMul(x, y) h = Tanh(e) u = Reshape(h, halves)",
        "[0,3,1,2]",
        "b,s,2,3",
    ),
    "axes that are merged": (
        "float[b,2,3,4] x, float[b,4,t] y",
        'e = Einsum<equation="bijk,bkt->bijt">(x, y) u = Reshape(e, whole)',
        "[2,1,0]",
        "t,6,b",
    ),
    "axes of size 1 that come and go": (
        "float[b,6,4] x, float[b,4,t] y",
        "e = MatMul(x, y) u = Reshape(e, apart)",
        "[3,2,0,1]",
        "t,1,b,6",
    ),
    "what a norm and a product keep": (
        "float[b,t,4] x, float[b,s,4] y",
        'e = Einsum<equation="btk,bsk->bts">(x, x) v = Einsum<equation="bts,bsk->btk">(e, x) '
        "n = LayerNormalization<axis=-1>(v, four) d = MatMul(n, matrix) u = Softmax<axis=2>(d)",
        "[1,0,2]",
        "t,b,3",
    ),
}
"""Inputs, nodes, the Transpose of u, and the sizes of its result."""

KEPT = {
    "an Einsum that is read": (
        "float[b,t,4] x",
        'u = Einsum<equation="btk,bsk->bts">(x, x) z = Neg(u)',
        "[0,2,1]",
        "b,t,t",
    ),
    "an input": ("float[b,t,4] x", "u = Neg(x) z = Abs(x)", "[1,0,2]", "t,b,4"),
    "a table that is read": (
        "int64[b,t] ids",
        "u = Gather<axis=0>(table, ids) v = Gather<axis=0>(table, ids) z = Neg(v)",
        "[2,0,1]",
        "3,b,t",
    ),
    "halves of an axis apart": (
        "float[b,6,4] x, float[b,5,4] y",
        'e = Einsum<equation="btk,bsk->bts">(x, y) u = Reshape(e, split)',
        "[0,2,1,3]",
        "b,3,2,5",
    ),
    "rows among the indices": ("int64[b,t] ids", "u = Gather<axis=0>(table, ids)", "[0,2,1]", "b,3,t"),
    "parts of what was one axis": (
        "float[b,6,4] x, float[b,4,s] y",
        "e = MatMul(x, y) u = Reshape(e, halves)",
        "[0,2,1,3]",
        "b,3,2,s",
    ),
    "more than one size that a reshape would not be told": (
        "float[b,6,4] x, float[b,4,s] y",
        "e = MatMul(x, y) n = Shape(e) u = Reshape(e, n)",
        "[0,2,1]",
        "b,s,6",
    ),
    "one of a batch for all": ("float[b,t,4] x, float[1,4,s] y", "u = MatMul(x, y)", "[2,0,1]", "s,b,t"),
    "a matrix for all": ("float[b,t,4] x, float[4,s] y", "u = MatMul(x, y)", "[2,0,1]", "s,b,t"),
    "what a Dense sums over": (
        "float[b,t,4] x, float[b,4,4] y",
        "e = MatMul(x, y) u = MatMul(e, matrix)",
        "[0,2,1]",
        "b,3,t",
    ),
    "what a norm is over": (
        "float[b,t,4] x, float[b,4,4] y",
        "e = MatMul(x, y) u = LayerNormalization<axis=1>(e, four)",
        "[0,2,1]",
        "b,4,t",
    ),
    "a product that is read": ("float[b,t,4] x, float[b,4,s] y", "u = MatMul(x, y) z = Neg(u)", "[0,2,1]", "b,s,t"),
}


def made(inputs: str, body: str, perm: str, sizes: str) -> ir.Model:
    more = "float[q] z" if " z = " in body else ""
    outputs = f"float[{sizes}] out" + (f", {more}" if more else "")
    model = graph(f"""g ({inputs}) => ({outputs})
        <float half = {{0.5}}, int64[1] one = {{1}}, int64[1] two = {{2}}, bool yes = {{1}}, float[2] row = {{1, 2}},
         float[2,3] table = {{1, 2, 3, 4, 5, 6}}, float[4] four = {{1, 2, 3, 4}}, int64[4] halves = {{0, 2, 3, -1}},
         float[4,3] matrix = {{1, 0, 2, 1, 0.5, 3, 1, 0, -1, 2, 1, 0}}, int64[3] whole = {{0, 6, -1}},
         int64[4] apart = {{0, 6, 1, -1}},
         int64[4] split = {{-1, 2, 3, 5}}, int64[2] joined = {{-1, 15}}>
        {{ {body} out = Transpose<perm={perm}>(u) }}""")
    InferShapes()(model)
    FuseDense()(model)
    return model


def feeds(inputs: str) -> dict[str, tuple[int, ...]]:
    return {name: sizes for name, sizes in SIZES.items() if f"{name}," in inputs or f"{name}]" in inputs}


@pytest.mark.parametrize("name", TAKEN)
def test_taken_back(name: str) -> None:
    model = check_pass(TakeBackTransposes(), made(*TAKEN[name]), sizes=feeds(TAKEN[name][0]), modified=True)
    assert "Transpose" not in operators(model)


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    model = check_pass(TakeBackTransposes(), made(*KEPT[name]), sizes=feeds(KEPT[name][0]), modified=False)
    assert operators(model).count("Transpose") == 1


def test_a_size_is_read_off_what_was_turned_along_another_axis() -> None:
    """What is filled up to [k, 4, d, d] grows axis by axis, and takes its last size off itself."""
    text = """g (float[d,k] x) => (float[d,k,4,d] y)
        <int64 zero = {0}, int64 one = {1}, int64[1] first = {0}, int64[1] four = {4}, int64[2] middle = {1, 2}> {
        s = Shape(x)  d0 = Gather(s, zero)  k0 = Gather(s, one)  d1 = Unsqueeze(d0, first)  k1 = Unsqueeze(k0, first)
        t = Concat<axis=0>(k1, four, d1, d1)  f = ConstantOfShape<value: tensor = float[1] {1.5}>(t)
        turned = Transpose<perm=[1, 0]>(x)  column = Unsqueeze(turned, middle)
        u = Add(f, column)  y = Transpose<perm=[2, 0, 1, 3]>(u) }"""
    check_onnx(text, sizes={"d": (2, 3, 5), "k": (1, 3, 4)})
    names = []
    run_pipeline(graph(text), observer=lambda _, model: names.append([node.name for node in model.graph]))
    assert all(len(each) == len(set(each)) for each in names[-5:])
