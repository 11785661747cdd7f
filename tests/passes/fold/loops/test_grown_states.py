"""States of loops that every turn makes longer: tensors and lists."""

from __future__ import annotations

import pytest

import converter
from converter.errors import Unsupported
from tests.harness import check_onnx, graph

SOME = "k0 = Abs(k) one = Constant<value_int=1>() n0 = Add(k0, one)"  # of no turn onnxruntime says another size
TENSOR = """g (float[n,2,3] x, int64 k) => (float[n,2,3] y, {type} z) <bool t = {{1}}, float half = {{0.5}}> {{
    {some} {before}
    y, z = Loop(n0, t, x, {first}) <body = b (int64 i, bool c, float[n,2,3] v, {inner} s)
        => (bool c, float[n,2,3] w, {inner2} s2) {{
        h = Mul(v, half) w = Sin(h) {body} }}> {after} }}"""


def tensor(axis: int, first: str, before: str, body: str = "p = Neg(v)") -> str:
    sizes = ["n", "2", "3"]
    sizes[axis] = "m"
    kind = f"float[{','.join(sizes)}]"
    told = {"type": kind, "inner": kind.replace("m", "q"), "inner2": kind.replace("m", "r"), "some": SOME, "after": ""}
    return TENSOR.format(**told, first=first, before=before, body=f"{body} s2 = Concat<axis={axis}>(s, p)")


EMPTY = "s0 = Shape(x) d = Constant<value_ints={no}>() z0 = Constant<value_ints=[0]>() e = Slice(x, z0, z0, d)"
TENSORS = {
    "first axis": tensor(0, "x", ""),
    "middle axis": tensor(1, "x", ""),
    "last axis": tensor(-1, "x", ""),
    "starts empty": tensor(1, "e", EMPTY.format(no="[1]")),
    "from outside": tensor(0, "x", "", "").replace("Concat<axis=0>(s, p)", "Concat<axis=0>(s, x)"),
    "one row": tensor(1, "x", "", "o = Constant<value_ints=[1]>() p = ReduceMax<keepdims=1>(v, o)"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor(name: str) -> None:
    checked = check_onnx(TENSORS[name], sizes={"n": (1, 3)})
    (layer,) = (each for each in checked.model.layers if type(each).__name__ == "Loop")
    assert layer.states == 1  # the other is gathered


LIST = """g (float[n,2,3] x, int64 k) => (float[n,2,3] y, {type} z) <bool t = {{1}}, float half = {{0.5}}> {{
    {some} e = SequenceEmpty()
    y, l = Loop(n0, t, x, e) <body = b (int64 i, bool c, float[n,2,3] v, seq(float[n,2,3]) s)
        => (bool c, float[n,2,3] w, seq(float[n,2,3]) s2) {{
        h = Mul(v, half) w = Sin(h) p = Neg(w) s2 = SequenceInsert(s, p) }}> {after} }}"""
LISTS = {
    "stack": ("float[m,n,2,3]", "z = ConcatFromSequence<axis=0, new_axis=1>(l)"),
    "stack behind": ("float[n,2,3,m]", "z = ConcatFromSequence<axis=-1, new_axis=1>(l)"),
    "cat": ("float[m,2,3]", "z = ConcatFromSequence<axis=0>(l)"),
    "cat last": ("float[n,2,m]", "z = ConcatFromSequence<axis=-1>(l)"),
    "at": ("float[n,2,3]", "f = Constant<value_int=-1>() z = SequenceAt(l, f)"),
    "length": ("int64", "z = SequenceLength(l)"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list(name: str) -> None:
    kind, after = LISTS[name]
    check_onnx(LIST.format(type=kind, after=after, some=SOME), sizes={"n": (1, 3)})


def test_a_state_that_the_body_reads_is_left_alone() -> None:
    text = tensor(1, "x", "", "o = Constant<value_ints=[1]>() p = ReduceMax<keepdims=1>(s, o)")
    with pytest.raises(Unsupported, match="changes its size"):
        converter.convert(graph(text))
