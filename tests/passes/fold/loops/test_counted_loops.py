"""Loops whose condition is on a counter: as tf2onnx and paddle2onnx write those of TensorFlow and PaddlePaddle."""

from __future__ import annotations

import pytest

import converter
from converter.errors import Unsupported
from tests.harness import check_onnx, graph

TIME = """one1 = Constant<value_ints=[1]>() nil1 = Constant<value_ints=[0]>() xt = Transpose<perm=[1,0,2]>(x)
    s = Shape(xt) s32 = Cast<to=6>(s) t1 = Slice(s32, nil1, one1, nil1) tt = Squeeze(t1, nil1)"""
TEXT = """g (float[n,t,4] x{more}) => (float[n,4] h, float[u,n,4] y)
    <float half = {{0.5}}, int32 zero = {{0}}, int32 two = {{2}}, bool yes = {{1}}, int64 four = {{4}},
    float w0 = {{0.7}}> {{
    {time} h0 = ReduceSum<keepdims=0>(x, one1) tf = Cast<to=1>(tt) {before}
    j, h, lim2, kept, dead, y = Loop({most}, {first}, {start}, h0, tt, w0, half) <body = b (int64 i, bool c, int32 jj,
        float[n,4] v, int32 lim, float kk, float d) => (bool go, int32 j2, float[n,4] w, int32 lim, float kk, float d2,
        float[n,4] out) {{
        one = Constant<value = int32 {{{step}}}>() j2 = Add(jj, one) row = Gather<axis=0>(xt, jj) d2 = Neg(kk)
        a = Add(v, row) aa = Mul(a, kk) w = Tanh(aa) out = Mul(w, half)
        lf = Cast<to=1>(lim) jf = Cast<to=1>(j2) {go} }}> }}"""


def loop(**told: str) -> str:
    plain = {
        "more": "",
        "time": TIME,
        "before": "first = Less(zf, tf)",
        "most": "",
        "first": "first",
        "start": "zero",
        "step": "1",
    }
    told = {**plain, "go": "go = Less(jf, lf)", **told}
    return TEXT.format(**{**told, "before": "zf = Cast<to=1>(zero) " + told["before"]})


LATER = "first = Less(two, tt)"
SCANS = {
    "tf2onnx": loop(),
    "turned round": loop(go="go = Greater(lf, jf)", before="first = Greater(tf, zf)"),
    "always first": loop(before="", first="yes"),
    "of the turn": loop(
        go="l = Cast<to=7>(lim) one3 = Constant<value_int=1>() i2 = Add(i, one3) go = Less(i2, l)", first="yes"
    ),
    "up to": loop(go="one2 = Constant<value_float=1.0>() l = Sub(lf, one2) go = LessOrEqual(jf, l)"),
    "and": loop(go="l = Less(jf, lf) p = And(l, c) go = Identity(p)"),
}
LOOPS = {
    "later": loop(before=LATER, start="two"),  # no row of a whole for each turn
    "another first": loop(before="r = ReduceMax<keepdims=0>(x) e = Exp(r) first = Greater(e, zf)"),
    "no first": loop(before="", first=""),
    "at most": loop(most="four"),
    "live": loop(before="""one1s = Cast<to=6>(one1) ka = Abs(k) k2 = Add(ka, one1s) k3 = Squeeze(k2)
        k1 = Min(tt, k3) first = Less(zero, k1)""", more=", int32 k").replace("h0, tt,", "h0, k1,"),
    "and numbers": loop(go="""a0 = Abs(w) s0 = ReduceMax<keepdims=0>(a0) p = Less(s0, lf) l = Less(jf, lf)
        go = And(l, p)"""),
}  # fmt: skip


def kinds(model: object) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", SCANS)
def test_goes_along_what_it_reads(name: str) -> None:
    (layer,) = (each for each in check_onnx(SCANS[name], sizes={"n": (1, 3), "t": (1, 2, 7)}).model.layers
                if type(each).__name__ == "Loop")  # fmt: skip
    assert (layer.states, layer.scanned, layer.has_condition, layer.conditional) == (2, 1, False, False)


@pytest.mark.parametrize("name", LOOPS)
def test_turns_as_often_as_the_counter_says(name: str) -> None:
    checked = check_onnx(LOOPS[name], sizes={"n": (1, 3), "t": (3, 4, 7)})
    (layer,) = (each for each in checked.model.layers if type(each).__name__ == "Loop")
    assert layer.scanned == 0 and layer.states == 2
    assert layer.conditional == (name in ("another first", "and numbers"))


def test_of_a_fixed_length_is_written_out() -> None:
    text = loop().replace("float[n,t,4] x", "float[n,3,4] x")
    assert "Loop" not in kinds(check_onnx(text, sizes={"n": (1, 3)}).model)


def test_runs_on_every_backend() -> None:
    report = converter.convert(graph(loop()), verify=False).report
    assert report.backends == ["tensorflow", "jax", "torch"]


NEAR = {
    "steps of two": loop(step="2"),
    "counts by two": loop(go="two2 = Constant<value_float=2.0>() f = Mul(jf, two2) go = Less(f, lf)"),
    "half an end": loop(go="q = Constant<value_float=0.5>() l = Add(lf, q) go = Less(jf, l)"),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_it_leaves_alone(name: str) -> None:
    with pytest.raises(Unsupported, match="gathers a row of each turn"):
        converter.convert(graph(NEAR[name]))
