"""Inferred shapes are the shapes that onnxruntime sees, at every size; and what they settle is folded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import pytest

from converter.proof.oracle import Oracle
from passes.errors import BadSource, Unsupported
from passes.normalize.default_attributes import ExplicitDefaults
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators
from tests.settling import sizes_at

SIZES = [{"batch": 2, "h": 16, "w": 24}, {"batch": 1, "h": 17, "w": 19}, {"batch": 3, "h": 32, "w": 15}]
X = "float[batch, 4, h, w] x"


def agree(text: str, *, sizes: Sequence[dict[str, int]] = SIZES) -> ir.Model:
    """Infer, and compare the shape and type of every value with what onnxruntime computes at several sizes."""
    model = graph(text)
    ExplicitDefaults()(model)
    InferShapes()(model)
    assert not InferShapes()(model).modified
    oracle = Oracle(model, threads=1)
    values = [output for node in model.graph for output in node.outputs]
    for bindings in sizes:
        feeds = {}
        for value in model.graph.inputs:
            assert value.dtype is not None
            shape = [int(str(size)) for size in sizes_at(value, bindings)]
            feeds[value.name or ""] = np.random.default_rng(0).uniform(1, 3, shape).astype(value.dtype.numpy())
        found = oracle.values(feeds)
        for value in values:
            if value.name not in found:
                continue
            array = found[value.name]
            for size, real in zip(sizes_at(value, bindings), array.shape, strict=True):
                assert size == real or str(size).startswith("unk__"), f"{value.name}: {value.shape} at {bindings}"
            assert value.dtype is not None and array.dtype == value.dtype.numpy(), value.name
    return model


BODIES = {
    "conv": "y = Conv<kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 2, 1], dilations=[2, 1]>(x, k)",
    "conv_same": 'y = Conv<kernel_shape=[3, 2], strides=[2, 3], auto_pad="SAME_UPPER">(x, k)',
    "conv_valid": 'y = Conv<strides=[2, 2], auto_pad="VALID">(x, k)',
    "chain": """a = Conv<strides=[2, 2], pads=[1, 0, 1, 1]>(x, k)  b = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(a)
        y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]>(b)""",
    "max_pool": "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]>(x)",
    "max_pool_ceil": "y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(x)",
    "max_pool_indices": "y, i = MaxPool<kernel_shape=[3, 3], strides=[2, 2]>(x)",
    "average_pool": "y = AveragePool<kernel_shape=[2, 3], strides=[1, 3], pads=[0, 1, 1, 1]>(x)",
    "global_pools": "a = GlobalAveragePool(x)  b = GlobalMaxPool(x)  y = Add(a, b)",
    "conv_transpose": "y = ConvTranspose<strides=[2, 3], pads=[1, 0, 0, 1], output_padding=[1, 2]>(x, k)",
    "depth_to_space": "a = DepthToSpace<blocksize=2>(x)  y = SpaceToDepth<blocksize=2>(a)",
    "resize_scales": 'y = Resize<mode="nearest">(x, , sc)',
    "resize_sizes": 'y = Resize<mode="linear">(x, , , sz)',
    "resize_axes": 'y = Resize<mode="linear", axes=[2, 3]>(x, , , m)',
    "reductions": "a = ReduceMean<keepdims=0>(x, m)  b = ReduceMax(x, m)  c = ReduceSum(x)  y = Neg(a)",
    "arg_max": "y = ArgMax<axis=-1, keepdims=0>(x)",
    "top_k": "y, i = TopK<axis=-1>(x, two)",
    "transpose_matmul": "t = Transpose<perm=[0, 1, 3, 2]>(x)  y = MatMul(x, t)",
    "matrices": "a = ReduceMean<keepdims=0>(x, m)  t = Transpose(a)  y = MatMul(a, t)",
    "flatten": "y = Flatten<axis=2>(x)",
    "concat": "y = Concat<axis=-1>(x, x, x)",
    "split": "y, z = Split<axis=1, num_outputs=2>(x)",
    "split_uneven": "y, z, u = Split<axis=2, num_outputs=3>(x)",
    "pad": "y = Pad(x, p)",
    "slice": "y = Slice(x, starts, ends, m)",
    "slice_backwards": "y = Slice(x, ends, starts, m, down)",
    "gather": "y = Gather<axis=1>(x, idx)",
    "gather_nd": "y = GatherND(x, idx)",
    "one_hot": "a = ArgMax<axis=1, keepdims=0>(x)  y = OneHot(a, five, onoff)",
    "tile_expand": "t = Tile(x, reps)  y = Expand(x, wide)",
    "where": "c = Greater(x, one)  n = Not(c)  y = Where(n, x, one)",
    "layer_norm": "y, mean, inv = LayerNormalization(x, one)",
    "cumsum": "y = CumSum(x, two0)",
    "einsum": 'y = Einsum<equation="nchw,ncvw->nhv">(x, x)',
    "trilu_softmax": "a = Trilu(x)  y = Softmax(a)",
    "non_zero": "y = NonZero(x)",
    "size_of": "n = Size(x)  f = Cast<to=1>(n)  y = Mul(x, f)",
    "shape_arithmetic": """s = Shape(x)  n = Gather(s, zero)  hh = Gather(s, two0)  two_n = Mul(n, two0)
        u0 = Unsqueeze(two_n, axis0)  u1 = Unsqueeze(hh, axis0)  t = Concat<axis=0>(u0, u1, minus)
        y = Reshape(x, t)""",
    "reshape_zero": "y = Reshape(x, keep)",
    "channel_shuffle": """s = Shape(x)  n = Slice(s, axis0, axis1)  hw = Slice(s, two, four)
        t = Concat<axis=0>(n, two, two, hw)  a = Reshape(x, t)  b = Transpose<perm=[0, 2, 1, 3, 4]>(a)
        u = Concat<axis=0>(n, four, hw)  y = Reshape(b, u)""",
    "flatten_by_hand": """s = Shape(x)  n = Slice(s, axis0, axis1)  hw = Slice(s, two, four)
        q = ReduceProd<keepdims=1>(hw)
        t = Concat<axis=0>(n, four, q)  y = Reshape(x, t)""",
    "half_size": """s = Shape(x)  hw = Slice(s, two, four)  half = Div(hw, two)  e = Concat<axis=0>(half)
        y = Slice(x, zeros, e, m)""",
    "upsample_like": """s = Shape(x)  hw = Slice(s, two, four)  f = Cast<to=1>(hw)  g = Mul(f, onehalf)  r = Floor(g)
        i = Cast<to=7>(r)  nc = Slice(s, axis0, two)  t = Concat<axis=0>(nc, i)
        y = Resize<mode="nearest">(x, , , t)""",
    "clamped": """s = Shape(x)  hh = Gather(s, two0)  less = Sub(hh, five)  e = Unsqueeze(less, axis0)
        y = Slice(x, axis0, e, two)""",
    "quotients": """s = Shape(x)  f = Cast<to=1>(s)  q = Div(f, three)  a = Abs(q)  b = Max(a, q)  c = Min(b, f)
        d = Mod<fmod=1>(c, three)  y = Neg(d)""",
    "range": """s = Shape(x)  hh = Gather(s, two0)  r = Range(zero, hh, two0)  c = Cast<to=1>(r)  y = Neg(c)""",
    "expand_to_shape": "s = Shape(x)  ones = ConstantOfShape(s)  o = Expand(one, s)  y = Add(ones, o)",
    "where_minus_one": """s = Shape(x)  all = ConstantOfShape<value = int64[1] {-1}>(length)  same = Equal(s, all)
        fill = ConstantOfShape<value = int64[1] {1}>(length)  t = Where(same, fill, s)  y = Expand(one, t)""",
}
ONES = ", ".join(["1"] * 120)
CONSTANTS = f"""
    float[5, 4, 3, 2] k = {{{ONES}}}, float[4] sc = {{1, 1, 1.5, 2}}, int64[4] sz = {{1, 4, 20, 30}},
    int64[2] m = {{2, 3}}, int64[1] two = {{2}}, int64 two0 = {{2}}, int64[8] p = {{0, 0, 1, 2, 0, 0, 0, -3}},
    int64[2] starts = {{1, -9}}, int64[2] ends = {{-2, 9223372036854775807}}, int64[2] down = {{-2, -1}},
    int64[2] idx = {{0, 0}}, int64 five = {{5}}, float[2] onoff = {{0, 1}}, int64[4] reps = {{1, 2, 1, 3}},
    int64[5] wide = {{3, 1, 4, 1, 1}}, float one = {{1}}, int64[1] axis0 = {{0}}, int64[1] axis1 = {{1}},
    int64[1] minus = {{-1}}, int64[1] four = {{4}}, int64[1] length = {{4}}, int64 zero = {{0}},
    int64[3] keep = {{0, 0, -1}}, int64[2] zeros = {{0, 0}}, float onehalf = {{1.5}}, float three = {{3}}
"""


@pytest.mark.parametrize("name", BODIES)
def test_shapes_are_those_of_onnxruntime(name: str) -> None:
    body = BODIES[name]
    constants = CONSTANTS
    inputs = X
    if name == "conv_transpose":
        constants = constants.replace("float[5, 4, 3, 2] k", "float[4, 5, 3, 2] k")
    if name == "layer_norm":
        constants = constants.replace("float one", "float[1] one")
    if name == "resize_sizes":
        inputs = "float[1, 4, h, w] x"
    sizes = [{**bindings, "w": 24} if name == "layer_norm" else bindings for bindings in SIZES]
    model = agree(f"g ({inputs}) => (y) <{constants}> {{ {body} }}", sizes=sizes)
    for node in model.graph:
        for output in node.outputs:
            known = [dim for dim in output.shape or () if isinstance(dim, ir.SymbolicDim)]
            invented = [dim.value for dim in known if (dim.value or "").startswith("unk__")]
            assert not invented or name == "non_zero", f"{output.name}: {invented}"


def test_static_shape_arithmetic_folds_away() -> None:
    model = agree(
        """g (float[2, 4, 6, 8] x) => (y) <int64[1] zero = {0}, int64[1] one = {1}, int64[1] minus = {-1}> {
            s = Shape(x)  n = Slice(s, zero, one)  t = Concat<axis=0>(n, minus)  y = Reshape(x, t)
        }""",
        sizes=[{}],
    )
    assert operators(model) == ["Reshape"]


def test_a_part_of_a_shape_that_is_static_folds_away() -> None:
    model = agree(
        f"""g ({X}) => (y) <int64 one = {{1}}, int64 two = {{2}}, int64[1] zero = {{0}}, int64[1] rest = {{-1}}> {{
            s = Shape(x)  c = Gather(s, one)  d = Div(c, two)  u = Unsqueeze(d, zero)  t = Concat<axis=0>(u, rest)
            y = Reshape(x, t)
        }}"""
    )
    assert operators(model) == ["Shape", "Reshape"]
    assert model.graph[1].inputs[1].const_value is not None


def test_symbols_that_a_file_invents_mean_what_is_computed() -> None:
    model = graph(
        """g (float[batch, 4, h, w] x) => (float[batch, a, b] y)
        <float[batch, 4, Conv_dim_2, w] c, float[batch, 4, other] f, int64[3] s = {0, 4, -1}> {
            c = MaxPool<kernel_shape=[2, 1], strides=[2, 1]>(x)  f = Reshape(c, s)  y = Relu(f)
        }"""
    )
    ExplicitDefaults()(model)
    InferShapes()(model)
    shapes = [str(output.shape) for node in model.graph for output in node.outputs]
    assert shapes == ["[batch,4,floor(h/2),w]", "[batch,4,w*floor(h/2)]", "[batch,4,w*floor(h/2)]"]


def test_a_declared_size_fills_in_what_cannot_be_computed() -> None:
    model = graph(
        """g (float[batch, 4] x) => (int64[2, found] y) <int64[2, 7] z> { z = NonZero(x)  y = Identity(z) }"""
    )
    InferShapes()(model)
    assert [str(o.shape) for node in model.graph for o in node.outputs] == ["[2,7]", "[2,7]"]


def test_a_computed_size_beats_a_declared_one() -> None:
    """Such files are made by giving an exported model a dynamic batch afterwards."""
    model = graph("g (float[batch, 4] x) => (float[1, 4] y) <float[1, 4] z> { z = Relu(x)  y = Neg(z) }")
    InferShapes()(model)
    assert [str(o.shape) for node in model.graph for o in node.outputs] == ["[batch,4]", "[batch,4]"]


def test_inputs_without_names_for_their_sizes_get_some() -> None:
    model = graph("g (float[?, 3] x, float[?, 3] z) => (float[?, 3] y) { y = Concat<axis=0>(x, z) }")
    InferShapes()(model)
    assert [str(v.shape) for v in (*model.graph.inputs, *model.graph.outputs)] == [
        "[x_dim0,3]",
        "[z_dim0,3]",
        "[x_dim0 + z_dim0,3]",
    ]


def test_two_symbols_that_broadcast_give_the_greater() -> None:
    model = graph("g (float[a, 3] x, float[b, 1] z) => (float[c, 3] y) { y = Add(x, z) }")
    InferShapes()(model)
    assert str(model.graph.outputs[0].shape) == "[Max(a, b),3]"


def test_an_input_without_a_rank_is_refused() -> None:
    model = graph("g (float[3] x) => (float[3] y) { y = Relu(x) }")
    model.graph.inputs[0].shape = None
    with pytest.raises(BadSource, match="Input 'x' has no shape") as caught:
        InferShapes()(model)
    assert "--input x=float32" in str(caught.value.hint)


def test_a_rank_that_cannot_be_told_is_refused() -> None:
    model = graph("g (float[n, 4] x, int64[r] s) => (y) { y = Reshape(x, s) }")
    with pytest.raises(Unsupported, match="The shape of 'y' cannot be told") as caught:
        InferShapes()(model)
    assert caught.value.node is not None and "Reshape node" in caught.value.node


def test_a_node_that_cannot_be_valid_is_a_bad_source() -> None:
    model = graph("g (float[2, 3] x) => (y) { y, i = TopK<axis=5>(x, k) } ".replace("{ y", "<int64[1] k = {1}> { y"))
    with pytest.raises(BadSource, match="cannot be valid"):
        InferShapes()(model)


def test_a_branch_that_is_known_is_taken() -> None:
    """torch's TorchScript exporter asks whether the axis to squeeze is 1."""
    text = """g (float[batch, 1, 5] x) => (y) <int64 one = {1}, int64[1] axes = {1}> {
        s = Shape(x)  d = Gather(s, one)  c = Equal(d, one)
        r = If (c) <then_branch = a () => (t) { t = Squeeze(x, axes) }, else_branch = b () => (e) { e = Identity(x) }>
        y = Relu(r)
    }"""
    model = check_pass(InferShapes(), text.replace("=> (y)", "=> (float[batch, 5] y)"), modified=True)
    assert operators(model) == ["Shape", "Squeeze", "Relu"]


def test_a_branch_that_is_an_output_keeps_its_name() -> None:
    text = """g (float[2, 5] x) => (float[2, 5] y, float[2, 5] z) <bool yes = {1}> {
        y = If (yes) <then_branch = a () => (t) { t = Relu(x) }, else_branch = b () => (e) { e = Neg(x) }>
        z = If (yes) <then_branch = c () => (x2) { x2 = Identity(x) }, else_branch = d () => (e2) { e2 = Neg(x) }>
    }"""
    model = check_pass(InferShapes(), text, modified=True)
    assert [value.name for value in model.graph.outputs] == ["y", "z"]
    assert operators(model) == ["Relu", "Identity"]


def test_branches_that_stay_have_shapes_inside() -> None:
    text = """g (float[batch, 4] x, bool c) => (float[batch, m] y) {
        y = If (c) <then_branch = a () => (t) { t = Relu(x) }, else_branch = b () => (e) {
            n = Neg(x)  e = Concat<axis=1>(n, n)
        }>
    }"""
    model = graph(text)
    InferShapes()(model)
    assert not InferShapes()(model).modified
    assert str(model.graph.outputs[0].shape) == "[batch,m]"
    branch = model.graph[0].attributes["else_branch"].as_graph()
    assert str(branch.outputs[0].shape) == "[batch,8]"


def test_branches_of_different_ranks_are_refused() -> None:
    text = """g (float[batch, 1, h] x, int64[1] k) => (y) <int64 two = {2}, int64 five = {5}, int64[1] axes = {1}> {
        s = Shape(x)  d = Gather(s, two)  c = Equal(d, five)
        y = If (c) <then_branch = a () => (t) { t = Squeeze(x, axes) }, else_branch = b () => (e) { e = Relu(x) }>
    }"""
    with pytest.raises(Unsupported, match="different ranks"):
        InferShapes()(graph(text))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("g (float[1, 1, 4] x) => (y) { y = MaxPool<kernel_shape=[7]>(x) }", -2),
        ("g (float[n, 4] x) => (y) <int64[2] r = {1, 4611686018427387904}> { y = Tile(x, r) }", 4 * 2**62),
    ],
)
def test_impossible_sizes_are_a_bad_source(text: str, size: int) -> None:
    with pytest.raises(BadSource, match=f"'y' would have an axis of {size} elements") as caught:
        InferShapes()(graph(text))
    assert caught.value.node is not None


def test_a_size_that_grows_beyond_use_is_a_symbol_of_its_own() -> None:
    squares = "  ".join(f"s{i} = Mul(s{i - 1}, s{i - 1})" for i in range(1, 30))
    model = graph(
        f"""g (float[h, 3] x) => (y) <int64 zero = {{0}}, int64[1] axis = {{0}}, float one = {{1}}> {{
            s = Shape(x)  n = Gather(s, zero)  s0 = Add(n, n)  {squares}  u = Unsqueeze(s29, axis)  y = Expand(one, u)
        }}"""
    )
    InferShapes()(model)
    assert str(model.graph.outputs[0].shape) == "[unk__y_0]"
