"""Random graphs come out equal, or are refused; and what scripts/fuzz.py has found, as small as it could be made."""

from __future__ import annotations

import os
import secrets

import onnx
import onnx.printer
import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings

import converter
from converter.errors import BadSource, Unsupported
from tests.harness import check_onnx, graph
from tests.wild_graphs import graphs
from tests.wild_graphs.outcome import CRASH, WRONG, outcome

SEED_KEY = "RANDOM_GRAPHS_SEED"
SEED = int(os.environ.get(SEED_KEY, secrets.randbelow(2**32)))
"""Other graphs in every run; what fails says how to draw the same again."""


@seed(SEED)
@settings(
    max_examples=100, phases=[Phase.generate], deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(graphs())
def test_none_is_wrong(model: onnx.ModelProto) -> None:
    note(f"{SEED_KEY}={SEED}\n{onnx.printer.to_text(model)}")
    assert not outcome(model).startswith((WRONG, CRASH))


FOUND = {
    "signs of zeros": "g (float[b,6,4] x) => (int64[b,4] y) { r = Round(x) y = ArgMin<axis=1, keepdims=0>(r) }",
    "back from before the axis": """g (float[3,b] x) => (float[3,n] y)
        <int64[1] s = {-2}, int64[1] e = {-9999999999}, int64[1] a = {1}, int64[1] t = {-2}> {
        y = Slice(x, s, e, a, t) }""",
    "back to before the axis": """g (float[3,b] x) => (float[3,n] y)
        <int64[1] s = {-3}, int64[1] e = {-5}, int64[1] a = {1}, int64[1] t = {-1}> { y = Slice(x, s, e, a, t) }""",
    "a number first": """g (int64[1,1] x) => (int64[2,2] y) <int64 c = {2}, int64[2] s = {2, 2}> {
        o = BitwiseOr(c, x) y = Expand(o, s) }""",
    "a number and a number": "g (int64 x) => (int64 y) <int64 c = {3}> { y = BitwiseXor(x, c) }",
    "a quotient of numbers": "g (int32 x) => (int32 y) <int32 c = {2}> { y = Div(x, c) }",
    "sums before": """g (float[b,2,3] x) => (bool[b,2,3] y) <int64 c = {0}, int64[1] a = {0}> {
        s = CumSum<exclusive=1>(x, c) r = ReduceL1<keepdims=0>(s, a) y = Less(x, r) }""",
    "only the shape of a state": """g (float[t,b,3] x) => (float[b,2] y)
        <float[1,2,3] w = {1, 2, 3, 4, 5, 6}, float[1,2,2] r = {1, 2, 3, 4}> {
        o, h = RNN<hidden_size=2, direction="reverse">(x, w, r) s = Shape<start=1>(h) y = ConstantOfShape(s) }""",
    "as many rows as indices": """g (int64[b,6] i) => (float[b,6] y) <float[3,2] t = {1, 2, 3, 4, 5, 6}> {
        z = Sub(i, i) y = GatherElements<axis=1>(t, z) }""",
    "as much as indices": """g (float[b,4,h,w] x) => (float[b,4,h,n] y)
        <int64[1] s = {0}, int64[1] e = {99}, int64[1] a = {3}, int64[1] t = {2}> {
        c = Slice(x, s, e, a, t) z = Sub(c, c) i = Cast<to=7>(z) y = GatherElements<axis=2>(x, i) }""",
    "the greatest of a row": """g (float[b,2,3,4,5] x) => (float[b,2,3,1] y, float[2,3,1] z) <int64 c = {-2}> {
        s = Shape<start=1>(x) f = ConstantOfShape(s) p = Gather<axis=2>(f, c) z = GlobalMaxPool(p)
        q = Gather<axis=3>(x, c) y = GlobalMaxPool(q) }""",
    "at places from the end": """g (float[3,n] x) => (float[3] y) <int64[3,2] i = {-2, -1, 1, -2, 2, 0}> {
        y = GatherND(x, i) }""",
    "at places before open sizes": """g (float[b,8,h,w] x) => (float[3,h,w] y) <int64[3,2] i = {0, 2, -1, 6, 0, 0}> {
        y = GatherND(x, i) }""",
    "the first of an open axis": "g (float[3,n] x) => (float[3,n] y) { y = Hardmax<axis=1>(x) }",
    "symmetric pixels": """g (float[b,2,h,w] x) => (float[b,2,h,v] y) <float[4] s = {1, 1, 1, 3}> {
        y = Resize<coordinate_transformation_mode="half_pixel_symmetric", nearest_mode="ceil">(x, , s) }""",
    "one row": """g (float[5] x) => (float[1,1] y) <int64[2] s = {1, 5}, float[5,1] w = {1, 2, 3, 4, 5}> {
        r = Reshape(x, s) t = Transpose<perm=[0,1]>(r) y = MatMul(t, w) }""",
    "six axes": """g (float[b,3,3,2,3,4] x) => (float[3,2,4] y) <int64[3] a = {0, 2, -2}> {
        y = ReduceLogSumExp<keepdims=0>(x, a) }""",
    "six axes mirrored": """g (float[b,2,3,3,2,5] x) => (float[b,2,6,3,3,7] y)
        <int64[12] p = {0,0,2,0,1,1,0,0,1,0,0,1}> { y = Pad<mode="reflect">(x, p) }""",
    "heads of one row": """g (float[2,4,5] x) => (float[5,4,1,2] y) <int64[1] a = {-1}> {
        u = Unsqueeze(x, a) t = Transpose<perm=[2,1,3,0]>(u) y = Attention(t, t, t) }""",
    "as many columns as a kernel": """g (float[b,4,n] x) => (float[b,4,2] y)
        <float[1,2] w = {1, 2}, int64[1] s = {0}, int64[1] e = {1}, int64[1] a = {2}> {
        p = Slice(x, s, e, a) q = AveragePool<kernel_shape=[1], strides=[2], ceil_mode=1>(p) y = MatMul(q, w) }""",
}
SIZES = {"b": (1, 3), "h": (6, 9), "n": (5,), "t": (4,), "w": (6,)}


@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    model = graph(FOUND[name])
    names = {dim.value for value in model.graph.inputs for dim in value.shape or () if not isinstance(dim, int)}
    check_onnx(model, sizes={name: sizes for name, sizes in SIZES.items() if name in names}, layout="source")


@pytest.mark.parametrize("x", ["float[b,4,h,w]", "float[b,h,5,4]"])
def test_heads_of_open_size_are_refused(x: str) -> None:
    """The scale goes by the size of a head: taken for 1, it was wrong."""
    with pytest.raises(Unsupported, match="number of heads, or a size of them"):
        converter.convert(graph(f"g ({x} x) => ({x} y) {{ y = Attention(x, x, x) }}"), verify=False)


def test_a_kernel_for_other_channels_is_a_broken_file() -> None:
    """onnxruntime reads past its end."""
    text = """g (float[n,8,16,16] x) => (y) <float[8,1,1,1] k = {1, 2, 3, 4, 5, 6, 7, 8}> {
        t = Transpose(x) y = Conv<group=8>(t, k) }"""
    with pytest.raises(BadSource, match="A kernel for 8 channels is given 16"):
        converter.convert(graph(text), verify=False)
