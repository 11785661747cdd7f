"""What does not depend on the inputs is computed once, as onnxruntime would compute it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

import passes.fold.constants
from converter.proof.oracle import Oracle
from passes.errors import BadSource
from passes.fold.constants import FoldConstants
from passes.fold.values import EVALUATORS
from passes.graph.weight_views import MarkWeights
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators

RNG = np.random.default_rng(0)
F = RNG.standard_normal((2, 3, 4)).astype(np.float32)
WHOLE = RNG.integers(-9, 10, (2, 3, 4))

BODIES: dict[str, str] = {
    "Cast": "y = Cast<to=7>(f)",
    "Cast_bool": "y = Cast<to=9>(i)",
    "Cast_half": "h = Cast<to=10>(f)  y = Cast<to=1>(h)",
    "CastLike": "y = CastLike(i, f)",
    "Add": "y = Add(f, row)",
    "Sub": "y = Sub(i, three)",
    "Mul": "y = Mul(f, row)",
    "Div": "y = Div(i, three)",
    "Div_float": "y = Div(f, row)",
    "Mod": "y = Mod(i, minus)",
    "Mod_fmod": "y = Mod<fmod=1>(f, row)",
    "Neg": "y = Neg(i)",
    "Abs": "y = Abs(f)",
    "Floor": "y = Floor(f)",
    "Ceil": "y = Ceil(f)",
    "Round": "y = Round(f)",
    "Max": "y = Max(f, row, f)",
    "Min": "y = Min(i, three)",
    "Equal": "y = Equal(i, three)",
    "Less": "y = Less(f, row)",
    "GreaterOrEqual": "y = GreaterOrEqual(i, three)",
    "Not": "b = Less(f, row)  y = Not(b)",
    "And": "a = Less(f, row)  b = Greater(f, row)  c = Not(b)  y = And(a, c)",
    "Or": "a = Less(f, row)  b = Greater(f, row)  y = Or(a, b)",
    "Xor": "a = Less(f, row)  b = Equal(f, row)  y = Xor(a, b)",
    "Where": "b = Less(f, row)  y = Where(b, f, row)",
    "ReduceProd": "y = ReduceProd(f, axes)",
    "ReduceSum": "y = ReduceSum<keepdims=0>(i, axes)",
    "ReduceMax": "y = ReduceMax(f)",
    "ReduceMin": "y = ReduceMin<keepdims=0>(i, axes)",
    "ReduceSum_noop": "y = ReduceSum<noop_with_empty_axes=1>(f)",
    "Identity": "y = Identity(f)",
    "Dropout": "y, z = Dropout(f)",
    "Transpose": "y = Transpose<perm=[2, 0, 1]>(f)",
    "Transpose_default": "y = Transpose(f)",
    "Reshape": "y = Reshape(f, shape)",
    "Flatten": "y = Flatten<axis=-1>(f)",
    "Squeeze": "u = Unsqueeze(f, axes)  y = Squeeze(u)",
    "Unsqueeze": "y = Unsqueeze(f, axes)",
    "Concat": "y = Concat<axis=-2>(f, f)",
    "Split": "y, z = Split<axis=2>(f, parts)",
    "Split_uneven": "y, z = Split<axis=1, num_outputs=2>(f)",
    "Gather": "y = Gather<axis=1>(f, index)",
    "GatherND": "y = GatherND(f, pairs)",
    "ScatterND": "y = ScatterND(f, pairs, rows)",
    "Slice": "y = Slice(f, starts, ends, axes)",
    "Slice_backwards": "y = Slice(f, ends, starts, axes, down)",
    "Expand": "y = Expand(f, wide)",
    "Tile": "y = Tile(f, times)",
    "Range": "y = Range(r0, r1, r2)",
    "Range_down": "y = Range(n1, n0, nd)",
    "ConstantOfShape": "y = ConstantOfShape<value = int64[1] {7}>(shape)",
    "Shape": "y = Shape<start=1>(f)",
    "Size": "y = Size(f)",
    # these come from onnx's reference implementation
    "MatMul": "t = Transpose<perm=[0, 2, 1]>(f)  y = MatMul(f, t)",
    "Softmax": "y = Softmax<axis=1>(f)",
    "Sqrt": "a = Abs(f)  y = Sqrt(a)",
    "Pow": "a = Abs(f)  y = Pow(a, row)",
    "Erf": "y = Erf(f)",
    "Clip": "y = Clip(f, , r2)",
    "Pad": 'y = Pad<mode="reflect">(f, pads)',
    "CumSum": "y = CumSum<reverse=1>(f, n0)",
    "ArgMax": "y = ArgMax<axis=1, keepdims=0>(f)",
    "TopK": "y, z = TopK<axis=2>(f, two)",
    "Trilu": "y = Trilu<upper=0>(f, n0)",
    "OneHot": "y = OneHot(index, two, onoff)",
    "EyeLike": "e = ConstantOfShape(square)  y = EyeLike<k=1>(e)",
    "NonZero": "y = NonZero(i)",
    "GatherElements": "y = GatherElements<axis=0>(f, elements)",
    "ScatterElements": "y = ScatterElements<axis=0>(f, elements, elements_f)",
    "ReduceMean": "y = ReduceMean(f, axes)",
    "LayerNormalization": "y = LayerNormalization<axis=2>(f, row)",
    "Einsum": 'y = Einsum<equation="abc,adc->abd">(f, f)',
    "Resize_cubic": 'u = Unsqueeze(f, zero1)  y = Resize<mode="cubic">(u, , scales)',
    "Resize_antialias": 'u = Unsqueeze(f, zero1)  y = Resize<mode="cubic", antialias=1>(u, , down_scales)',
    "Gemm": "a = Flatten<axis=2>(f)  y = Gemm<transB=1>(a, a)",
    "BatchNormalization": "y = BatchNormalization(f, bn, bn, bn, bn)",
}


def _text(array: np.ndarray, name: str) -> str:
    kind = {"float32": "float", "int64": "int64"}[array.dtype.name]
    sizes = ", ".join(map(str, array.shape))
    numbers = ", ".join(str(number) for number in array.reshape(-1).tolist())
    return f"{kind}[{sizes}] {name} = {{{numbers}}}" if array.ndim else f"{kind} {name} = {{{numbers}}}"


CONSTANTS = {
    "f": F,
    "i": WHOLE,
    "row": np.array([0.5, -1.5, 2.0, 0.25], np.float32),
    "three": np.array([3, 3, -3, 2]),
    "minus": np.array([-2, 3, 5, -7]),
    "axes": np.array([0, 2]),
    "shape": np.array([0, -1, 2]),
    "parts": np.array([1, 3]),
    "index": np.array([[0, -1], [1, 2]]),
    "pairs": np.array([[0, 2], [1, 0]]),
    "rows": np.ones((2, 4), np.float32),
    "starts": np.array([-1, -9]),
    "ends": np.array([9223372036854775807, -1]),
    "down": np.array([-1, -2]),
    "wide": np.array([5, 1, 1, 4]),
    "times": np.array([1, 2, 3]),
    "r0": np.array(0.5, np.float32),
    "r1": np.array(3.1, np.float32),
    "r2": np.array(0.3, np.float32),
    "n0": np.array(1),
    "n1": np.array(9),
    "nd": np.array(-3),
    "pads": np.array([0, 1, 2, 0, 0, 1]),
    "two": np.array([2]),
    "onoff": np.array([0.5, 2.0], np.float32),
    "square": np.array([3, 3]),
    "elements": np.array([[[1, 0, 1, 0]]]),
    "elements_f": np.ones((1, 1, 4), np.float32),
    "zero1": np.array([0]),
    "scales": np.array([1, 1, 1.5, 2], np.float32),
    "down_scales": np.array([1, 1, 1, 0.5], np.float32),
    "bn": np.array([0.5, 1.5, 2.0], np.float32),
}


@pytest.mark.parametrize("name", BODIES)
def test_constants_are_what_onnxruntime_computes(name: str) -> None:
    used = ", ".join(_text(np.asarray(array), key) for key, array in CONSTANTS.items())
    if name == "ConstantOfShape":
        used = used.replace(_text(CONSTANTS["shape"], "shape"), "int64[2] shape = {3, 2}")
    text = f"g () => (y) <{used}> {{ {BODIES[name]} }}"
    model = graph(text)
    InferShapes()(model)  # types of outputs, which onnxruntime wants to know
    source = graph(text)
    source.graph.outputs[0].type = model.graph.outputs[0].type
    (expected,) = Oracle(source, threads=1, optimise=False).run({})
    assert operators(model) == [], "not folded"
    found = model.graph.outputs[0].const_value
    assert found is not None
    assert found.numpy().dtype == expected.dtype and found.numpy().shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-6, atol=1e-6)


def test_every_evaluator_is_compared() -> None:
    named = {name.split("_")[0] for name in BODIES}
    assert set(EVALUATORS) - {"LessOrEqual", "Greater"} <= named


def test_a_chain_of_constants_leaves_one_initializer() -> None:
    model = check_pass(
        FoldConstants(),
        """g (float[batch, 4] x) => (float[batch, 4] y) {
            a = Constant<value_ints=[2, 2]>()  b = Constant<value_int=0>()  c = Gather(a, b)  d = Cast<to=1>(c)
            y = Mul(x, d)
        }""",
        modified=True,
    )
    assert operators(model) == ["Mul"]
    assert [name for name, value in model.graph.initializers.items() if value.uses()] == ["d"]


@pytest.mark.parametrize(
    "node",
    ["value_float=1.5", "value_floats=[1.5, 2.0]", "value_int=3", "value = float[2] {1, 2}", "value_ints=[1, 2]"],
)
def test_constant_nodes_become_initializers(node: str) -> None:
    cast = "d = Cast<to=1>(c)"
    model = graph(f"g (float[2] x) => (float[2] y) {{ c = Constant<{node}>()  {cast}  y = Mul(x, d) }}")
    assert FoldConstants()(model).modified
    assert operators(model) == ["Mul"]


def test_a_constant_that_is_an_output_keeps_its_name() -> None:
    model = graph("g (float[2] x) => (float[2] y, int64[2] z) { z = Constant<value_ints=[1, 2]>()  y = Relu(x) }")
    FoldConstants()(model)
    assert operators(model) == ["Relu"]
    assert [value.name for value in model.graph.outputs] == ["y", "z"]
    np.testing.assert_array_equal(Oracle(model).run({"x": np.ones(2, np.float32)})[1], [1, 2])


def test_random_numbers_stay_random() -> None:
    model = graph("g (float[3] x) => (float[3] y) { r = RandomNormal<shape=[3]>()  y = Add(x, r) }")
    assert not FoldConstants()(model).modified


def test_an_input_is_not_a_constant_whatever_it_holds() -> None:
    model = graph("g (float[2] x, float[2] w) => (float[2] y) { a = Neg(w)  y = Add(x, a) }")
    model.graph.inputs[1].const_value = ir.tensor(np.ones(2, np.float32))
    assert not FoldConstants()(model).modified


GROWING: list[Callable[[int], str]] = [
    lambda n: f"<int64[1] s = {{{n}}}, float one = {{1}}> {{ b = Expand(one, s)",
    lambda n: f"<int64[1] s = {{{n}}}> {{ b = ConstantOfShape(s)",
    lambda n: f"<int64[1] s = {{{n}}}, float[1] one = {{1}}> {{ b = Tile(one, s)",
    lambda n: f"<float n = {{{n}}}, float zero = {{0}}, float one = {{1}}> {{ b = Range(zero, n, one)",
    lambda n: f"<int64[1] i = {{0}}, int64 n = {{{n}}}, float[2] v = {{0, 1}}> {{ a = OneHot(i, n, v)  b = Flatten(a)",
]


@pytest.mark.parametrize("body", GROWING)
def test_what_would_be_absurdly_large_stays_a_node(body: Callable[[int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of a file must not make gigabytes."""
    monkeypatch.setattr(passes.fold.constants, "MAX_BYTES", 4000)
    large = graph(f"g (float[n] x) => (float[n] y) {body(1 << 40)}  y = Add(x, b) }}")
    FoldConstants()(large)
    assert len(operators(large)) >= 2
    small = graph(f"g (float[n] x) => (float[n] y) {body(100)}  y = Add(x, b) }}")
    FoldConstants()(small)
    assert operators(small) == ["Add"]


def test_a_weight_of_any_size_may_be_recomputed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is as large as what it is made of is not absurd: a half-precision weight cast to float, say."""
    monkeypatch.setattr(passes.fold.constants, "MAX_BYTES", 10)
    numbers = ", ".join(["1"] * 40)
    model = graph(f"g (float[40] x) => (float[40] y) <float[40] w = {{{numbers}}}> {{ n = Neg(w)  y = Add(x, n) }}")
    FoldConstants()(model)
    assert operators(model) == ["Add"]


def test_subgraphs_are_folded_too() -> None:
    text = """g (float[2] x, bool c) => (float[2] y) <float one = {1}> {
        two = Add(one, one)
        y = If (c) <
            then_branch = a () => (t) { three = Add(two, one)  t = Mul(x, three) },
            else_branch = b () => (e) { e = Mul(x, two) }
        >
    }"""
    feeds = [{"x": np.ones(2, np.float32), "c": np.array(c)} for c in (False, True)]
    model = check_pass(FoldConstants(), text, feeds=feeds, modified=True)
    assert [[node.op_type for node in graph] for graph in model.graphs()] == [["If"], ["Mul"], ["Mul"]]


def test_the_same_look_at_a_weight_is_one_initializer() -> None:
    """A layer called twice is known by its weight, and the exporter transposes that for each call."""
    model = graph(
        """g (float[batch, 3] x) => (float[batch, 3] y) <float[3, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9}> {
            t = Transpose<perm=[1, 0]>(w)  a = MatMul(x, t)  u = Transpose<perm=[1, 0]>(w)  b = MatMul(a, u)
            i = Identity(w)  c = MatMul(b, i)  y = MatMul(c, w) }"""
    )
    model.graph.initializers["w"].metadata_props["pkg.torch.export.graph_signature.InputSpec.kind"] = "PARAMETER"
    MarkWeights()(model)
    folded = check_pass(FoldConstants(), model, sizes={"batch": (1, 3)}, modified=True)
    first, second, third, fourth = (node.inputs[1] for node in folded.graph)
    assert first is second and third is fourth and len(folded.graph.initializers) == 2


def test_a_view_that_cannot_be_is_a_bad_source() -> None:
    numbers = ", ".join(["1"] * 20)
    constants = f"float[20] w = {{{numbers}}}, int64[1] s = {{3}}"
    model = graph(f"g (float[3] x) => (y) <{constants}> {{ v = Reshape(w, s)  y = Add(x, v) }}")
    MarkWeights()(model)
    with pytest.raises(BadSource, match=r"A tensor of shape \[20\] cannot be seen as \[3\]"):
        FoldConstants()(model)


def test_a_computation_that_fails_is_left_to_shape_inference() -> None:
    model = graph("g (float[2] x) => (y) <float[2] a = {1, 2}, int64 i = {7}> { b = Gather(a, i)  y = Add(x, b) }")
    assert not FoldConstants()(model).modified
