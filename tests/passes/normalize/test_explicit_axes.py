"""Axes count from the front, and nothing is left to be derived from a shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from passes.errors import Unsupported
from passes.normalize.explicit_axes import ExplicitAxes, kept_axes
from passes.shapes.infer import InferShapes
from tests.harness import check_pass, graph, operators

X = "float[batch, 4, 6, 8] x"


def attributes(model: ir.Model) -> dict[str, Any]:
    return {name: attribute.value for name, attribute in model.graph[-1].attributes.items()}


def inputs(model: ir.Model) -> list[list[float] | None]:
    """The constant inputs of the last node after its first."""
    return [
        None if v is None or v.const_value is None else v.const_value.numpy().tolist()
        for v in model.graph[-1].inputs[1:]
    ]


def settled(body: str, *, constants: str = "", x: str = X, outputs: str = "float[a, b, c, d] y") -> ir.Model:
    """Shapes inferred, then ExplicitAxes, compared with onnxruntime."""
    model = graph(f"g ({x}) => ({outputs}) {'<' + constants + '>' if constants else ''} {{ {body} }}")
    InferShapes()(model)
    return check_pass(ExplicitAxes(), model, modified=True)


def test_cast_like_says_the_type() -> None:
    model = settled("y = CastLike(x, z)", constants="int32 z = {1}", outputs="int32[a, b, c, d] y")
    assert operators(model) == ["Cast"] and attributes(model)["to"] == ir.DataType.INT32
    model = settled("t = Floor(x)  z = Cast<to=7>(t)  y = CastLike(x, z)", outputs="int64[a, b, c, d] y")
    assert operators(model) == ["Floor", "Cast", "Cast"]


@pytest.mark.parametrize(
    ("body", "axis"),
    [
        ("y = Softmax<axis=-1>(x)", 3),
        ("y = LogSoftmax<axis=-3>(x)", 1),
        ("y = Concat<axis=-2>(x, x)", 2),
        ("y = LayerNormalization<axis=-1>(x, k)", 3),
        ("y = ArgMax<axis=-1>(x)", 3),
        ("y = Flatten<axis=-3>(x)", 1),
        ("y = Gather<axis=-1>(x, i)", 3),
        ("y, z = TopK<axis=-1>(x, i)", 3),
        ("t = ArgMax<axis=1, keepdims=0>(x)  y = OneHot<axis=-1>(t, i, v)", 3),
    ],
)
def test_axis_attributes(body: str, axis: int) -> None:
    constants = "float[8] k = {1, 2, 3, 4, 5, 6, 7, 8}, int64[1] i = {2}, float[2] v = {0, 1}"
    dtype = "int64" if body.startswith("y = ArgMax") else "float"
    rank = {"y = Flatten": "a, b"}.get(body.split("<")[0], "a, b, c, d")
    assert attributes(settled(body, constants=constants, outputs=f"{dtype}[{rank}] y"))["axis"] == axis


@pytest.mark.parametrize(
    ("body", "rank", "expected"),
    [
        ("y = ReduceMean(x, m)", 4, [[2, 3]]),
        ("y = ReduceMax<keepdims=0>(x)", 0, [[0, 1, 2, 3]]),
        ("y = Unsqueeze(x, m)", 6, [[4, 5]]),
        ("y = Slice(x, s, e, m)", 4, [[1, 1], [-1, 9], [2, 3], [1, 1]]),
        ("y = Slice(x, s, e)", 4, [[1, 1], [-1, 9], [0, 1], [1, 1]]),
        ("y = CumSum(x, one)", 4, [[2]]),
    ],
)
def test_axes_inputs(body: str, rank: int, expected: list[list[int]]) -> None:
    constants = "int64[2] m = {-2, -1}, int64[2] s = {1, 1}, int64[2] e = {-1, 9}, int64 one = {-2}"
    model = graph(f"g ({X}) => (float[{', '.join('abcdef'[:rank])}] y) <{constants}> {{ {body} }}")
    InferShapes()(model)
    assert inputs(check_pass(ExplicitAxes(), model, sizes={"batch": (2, 3)}, modified=True)) == expected


def test_squeeze_without_axes_names_them() -> None:
    model = settled("y = Squeeze(x)", x="float[3, 1, 6, 1] x", outputs="float[a, b] y")
    assert inputs(model) == [[1, 3]]


def test_squeeze_keeps_what_may_be_one_and_says_so() -> None:
    """At batch 1 the source itself gives another rank."""
    model = graph("g (float[batch, 1, 6] x) => (float[a, b] y) { y = Squeeze(x) }")
    InferShapes()(model)
    assert inputs(check_pass(ExplicitAxes(), model, sizes={"batch": (2, 3)}, modified=True)) == [[1]]
    ExplicitAxes()(model)
    assert kept_axes(model) == ["batch"]


def test_split_gets_its_sizes() -> None:
    outputs = "float[a, b, c, d] y, float[e, f, g, h] z, float[i, j, k, l] u"
    model = settled("y, z, u = Split<axis=-1, num_outputs=3>(x)", outputs=outputs)
    assert inputs(model) == [[3, 3, 2]]
    assert "num_outputs" not in attributes(model)


def test_pad_gets_all_axes() -> None:
    model = settled("y = Pad(x, p, v, a)", constants="int64[4] p = {1, 2, 0, 3}, float v = {2}, int64[2] a = {-1, 1}")
    assert inputs(model) == [[0, 2, 0, 1, 0, 3, 0, 0], 2.0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Conv(x, w)", {"kernel_shape": (3, 2), "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}),
        ("y = MaxPool<kernel_shape=[2, 2]>(x)", {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}),
        ("y = AveragePool<kernel_shape=[2, 2]>(x)", {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}),
        (
            "y = ConvTranspose(x, w)",
            {"kernel_shape": (3, 2), "strides": (1, 1), "output_padding": (0, 0), "pads": (0, 0, 0, 0)},
        ),
        ('y = Conv<auto_pad="SAME_UPPER">(x, w)', {"kernel_shape": (3, 2), "strides": (1, 1), "pads": None}),
    ],
)
def test_windows_are_written_out(body: str, expected: dict[str, Any]) -> None:
    ones = ", ".join(["1"] * 96)
    found = attributes(settled(body, constants=f"float[4, 4, 3, 2] w = {{{ones}}}"))
    for name, value in expected.items():
        assert (None if value is None else tuple(found[name])) == value if value is not None else name not in found


def test_transpose_without_perm_reverses() -> None:
    assert tuple(attributes(settled("y = Transpose(x)"))["perm"]) == (3, 2, 1, 0)


def test_one_constant_serves_all_nodes_with_the_same_axes() -> None:
    model = settled("a = ReduceMean(x, m)  y = ReduceMax(a, m)", constants="int64[2] m = {-2, -1}")
    first, second = (node.inputs[1] for node in model.graph)
    assert first is second


@pytest.mark.parametrize(
    "body", ["y = Squeeze(x, k)", "y = Unsqueeze(x, k)", "y = ReduceMean(x, k)", "y = Slice(x, k, k, k)"]
)
def test_axes_known_only_when_the_model_runs_are_refused(body: str) -> None:
    model = graph(f"g ({X}, int64[1] k) => (float[a, b, c, d] y) {{ {body} }}")
    with pytest.raises(Unsupported, match="are computed"):
        ExplicitAxes()(model)


def test_settled_axes_stay() -> None:
    model = graph(
        f"g ({X}) => (float[a, b, c, d] y) <int64[1] m = {{1}}> {{ s = Softmax<axis=2>(x)  y = ReduceMean(s, m) }}"
    )
    InferShapes()(model)
    check_pass(ExplicitAxes(), model, modified=False)
    assert operators(model) == ["Softmax", "ReduceMean"]
    np.testing.assert_array_equal(model.graph.initializers["m"].const_value.numpy(), [1])  # type: ignore[union-attr]
