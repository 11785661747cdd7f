"""Every operator that changed between opsets 9 and 28 means the same before and after.

For each opset, a small graph of each such operator, with the interface that it had then, is run by onnxruntime as it is
and again after the settle stage. Above the opsets that onnxruntime knows, onnx's reference evaluator computes the one
side, and its constants and attributes are as in the newest that onnxruntime has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from converter.proof.compare import Tolerance, compare
from converter.proof.oracle import Oracle
from passes.errors import BadSource, Unsupported
from passes.normalize.convert_opset import NEWEST, OLDEST, ConvertOpset, _all_versions
from passes.normalize.inline_functions import InlineFunctions
from passes.normalize.opset_adapters import DOWNGRADES, UPGRADES
from passes.opset import OPSET
from tests.harness import check_onnx
from tests.settling import settle

NEWEST_OF_ONNXRUNTIME = 24
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 6, 6)).astype(np.float32)


@dataclass
class Graph:
    """Nodes in the interface of one opset, and what feeds them."""

    nodes: list[onnx.NodeProto]
    feeds: dict[str, np.ndarray] = field(default_factory=lambda: {"x": X})
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: Sequence[str] = ("y",)
    types: Sequence[int] = (TensorProto.FLOAT,)

    def model(self, opset: int) -> onnx.ModelProto:
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in self.feeds.items()
        ]
        outputs = [helper.make_tensor_value_info(n, t, None) for n, t in zip(self.outputs, self.types, strict=True)]
        initializers = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "g", inputs, outputs, initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


Case = Callable[[int], Graph | None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def one(op_type: str, inputs: Sequence[str] = ("x",), **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op_type, list(inputs), ["y"], name=f"the_{op_type}", **attributes)


def with_list(
    opset: int, since: int, op_type: str, name: str, numbers: Sequence[int] | None, **attributes: Any
) -> Graph:
    """An operator whose list of axes (or sizes) was an attribute and is the second input since some opset."""
    if numbers is None:
        return Graph([one(op_type, **attributes)])
    if opset < since:
        return Graph([one(op_type, **{name: list(numbers)}, **attributes)])
    return Graph([one(op_type, ("x", "n"), **attributes)], constants={"n": np.array(numbers, np.int64)})


@case
def slice_with_axes(opset: int) -> Graph:
    if opset < 10:
        return Graph([one("Slice", starts=[1, -4], ends=[4, 99], axes=[2, 3])])
    lists = {"s": [1, -4], "e": [4, 99], "a": [2, 3] if opset < 11 else [-2, -1]}
    return Graph([one("Slice", ("x", *lists))], constants={k: np.array(v, np.int64) for k, v in lists.items()})


@case
def slice_all(opset: int) -> Graph:
    if opset < 10:
        return Graph([one("Slice", starts=[0, 1], ends=[1, 3])])
    return Graph(
        [one("Slice", ("x", "s", "e"))], constants={"s": np.array([0, 1], np.int64), "e": np.array([1, 3], np.int64)}
    )


@case
def slice_backwards(opset: int) -> Graph | None:
    lists = {"s": [-1], "e": [-(2**31)], "a": [3], "t": [-2]}
    constants = {k: np.array(v, np.int64) for k, v in lists.items()}
    return Graph([one("Slice", ("x", *lists))], constants=constants) if opset >= 10 else None


@case
def top_k(opset: int) -> Graph:
    outputs, types = ("y", "i"), (TensorProto.FLOAT, TensorProto.INT64)
    if opset < 10:
        return Graph([helper.make_node("TopK", ["x"], ["y", "i"], k=3, axis=1)], outputs=outputs, types=types)
    node = helper.make_node("TopK", ["x", "k"], ["y", "i"], axis=-1, **({"largest": 0} if opset >= 11 else {}))
    return Graph([node], constants={"k": np.array([3], np.int64)}, outputs=outputs, types=types)


def scaled(mode: str) -> Case:
    def build(opset: int) -> Graph | None:
        scales = {"s": np.array([1, 1, 2, 3], np.float32)}
        if opset == 9:
            return Graph([one("Upsample", ("x", "s"), mode=mode)], constants=scales)
        if opset == 10:
            return Graph([one("Resize", ("x", "s"), mode=mode)], constants=scales)
        return None

    return build


CASES["upsample_nearest"], CASES["upsample_linear"] = scaled("nearest"), scaled("linear")


def scaled_down(mode: str, *scales: float) -> Case:
    def build(opset: int) -> Graph | None:
        node = one("Resize", ("x", "s"), mode=mode)
        return Graph([node], constants={"s": np.array([1, 1, *scales], np.float32)}) if opset == 10 else None

    return build


CASES["resize_down"], CASES["resize_both_ways"] = scaled_down("nearest", 0.5, 0.6), scaled_down("nearest", 0.7, 2.5)
CASES["resize_linear_down"] = scaled_down("linear", 0.5, 1.7)


def resized(mode: str, by: str, **attributes: Any) -> Case:
    def build(opset: int) -> Graph | None:
        if opset < 11:
            return None
        constants: dict[str, np.ndarray] = {"roi": np.zeros(0, np.float32)}
        if by == "scales":
            constants["s"] = np.array([1, 1, 1.5, 0.7], np.float32)
            inputs = ["x", "roi" if opset < 13 else "", "s"]
        else:
            constants["none"] = np.zeros(0, np.float32)
            constants["n"] = np.array([2, 4, 9, 4], np.int64)
            inputs = ["x", "roi", "none", "n"] if opset < 13 else ["x", "", "", "n"]
        used = {name: array for name, array in constants.items() if name in inputs}
        return Graph([one("Resize", inputs, mode=mode, **attributes)], constants=used)

    return build


for _mode in ("nearest", "linear", "cubic"):
    for _by in ("scales", "sizes"):
        for _coordinates in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            _attributes: dict[str, Any] = {"coordinate_transformation_mode": _coordinates}
            if _mode == "nearest":
                _attributes["nearest_mode"] = "floor" if _coordinates == "asymmetric" else "round_prefer_floor"
            CASES[f"resize_{_mode}_{_by}_{_coordinates}"] = resized(_mode, _by, **_attributes)


def clipped(**bounds: float) -> Case:
    def build(opset: int) -> Graph:
        if opset < 11:
            return Graph([one("Clip", **bounds)])
        inputs = ["x", "min" if "min" in bounds else "", "max" if "max" in bounds else ""]
        while not inputs[-1]:
            inputs.pop()
        return Graph([one("Clip", inputs)], constants={n: np.array(b, np.float32) for n, b in bounds.items()})

    return build


CASES["clip"], CASES["clip_below"] = clipped(min=-0.5, max=0.5), clipped(min=0.1)
CASES["clip_above"], CASES["clip_nothing"] = clipped(max=0.1), clipped()


@case
def clip_float16(opset: int) -> Graph:
    feeds = {"x": X.astype(np.float16)}
    if opset < 11:
        return Graph([one("Clip", min=-0.5, max=0.5)], feeds, types=[TensorProto.FLOAT16])
    bounds = {"min": np.array(-0.5, np.float16), "max": np.array(0.5, np.float16)}
    return Graph([one("Clip", ("x", "min", "max"))], feeds, bounds, types=[TensorProto.FLOAT16])


@case
def clip_unknown_type(opset: int) -> Graph:
    """The value clipped comes from a node whose type nobody wrote down."""
    graph = clipped(min=-0.5, max=0.5)(opset)
    assert graph is not None
    graph.nodes[0].input[0] = "t"
    graph.nodes.insert(0, helper.make_node("Relu", ["x"], ["t"]))
    return graph


def padded(mode: str, value: float = 0.0) -> Case:
    def build(opset: int) -> Graph:
        pads = [0, 0, 1, 2, 0, 0, 0, 1]
        if opset < 11:
            return Graph([one("Pad", pads=pads, mode=mode, **({"value": value} if value else {}))])
        constants: dict[str, np.ndarray] = {"p": np.array(pads, np.int64)}
        if value:
            constants["v"] = np.array(value, np.float32)
        return Graph([one("Pad", ("x", *constants), mode=mode)], constants=constants)

    return build


CASES["pad"], CASES["pad_with"] = padded("constant"), padded("constant", 1.5)
CASES["pad_reflect"], CASES["pad_edge"] = padded("reflect"), padded("edge")


@case
def pad_axes(opset: int) -> Graph | None:
    constants = {"p": np.array([2, 1, 0, 1], np.int64), "a": np.array([-1, 2], np.int64)}
    return Graph([one("Pad", ("x", "p", "", "a"))], constants=constants) if opset >= 18 else None


@case
def scatter(opset: int) -> Graph:
    constants = {"i": np.array([[0, 2], [1, 3]], np.int64).reshape(1, 2, 2, 1), "u": np.ones((1, 2, 2, 1), np.float32)}
    return Graph([one("Scatter" if opset < 11 else "ScatterElements", ("x", "i", "u"), axis=2)], constants=constants)


@case
def dropout(opset: int) -> Graph:
    """The rate is kept, for who trains on."""
    if opset < 12:
        node = helper.make_node("Dropout", ["x"], ["t"], ratio=0.3)
        return Graph([node, one("Relu", ("t",))])
    node = helper.make_node("Dropout", ["x", "r"], ["t"])
    return Graph([node, one("Relu", ("t",))], constants={"r": np.array(0.3, np.float32)})


def normalised(op_type: str, axis: int | None, shape: Sequence[int]) -> Case:
    def build(opset: int) -> Graph | None:
        if opset < 11 and axis is not None and axis < 0:
            return None
        feeds = {"x": RNG.standard_normal(shape).astype(np.float32)}
        return Graph([one(op_type, **({} if axis is None else {"axis": axis}))], feeds)

    return build


for _op in ("Softmax", "LogSoftmax", "Hardmax"):
    for _axis in (None, 0, 1, 2, -1, -2):
        for _shape in ((3, 5), (2, 3, 4), (2, 5, 1, 1), (2, 1, 1, 5)):
            if _axis is None or -len(_shape) <= _axis < len(_shape):
                CASES[f"{_op}_{_axis}_{'x'.join(map(str, _shape))}"] = normalised(_op, _axis, _shape)


@case
def squeeze(opset: int) -> Graph:
    graph = with_list(opset, 13, "Squeeze", "axes", [1, 3])
    graph.feeds = {"x": X[:, :1, :, :1]}
    return graph


@case
def squeeze_all(opset: int) -> Graph:
    return Graph([one("Squeeze")], {"x": X[:, :1, :, :1]})


@case
def unsqueeze(opset: int) -> Graph:
    return with_list(opset, 13, "Unsqueeze", "axes", [0, 3] if opset < 11 else [-1, 0])


def reduced(op_type: str, axes: Sequence[int] | None, keepdims: int) -> Case:
    def build(opset: int) -> Graph:
        since = 13 if op_type == "ReduceSum" else 18
        turned = axes if opset >= 11 or axes is None else [axis % 4 for axis in axes]
        graph = with_list(opset, since, op_type, "axes", turned, keepdims=keepdims)
        graph.feeds = {"x": np.abs(X) + 0.1}
        return graph

    return build


for _op in (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"),
    *("ReduceSum", "ReduceSumSquare"),
):
    CASES[f"{_op}_axes"], CASES[f"{_op}_all"] = reduced(_op, [1, -1], 0), reduced(_op, None, 1)


def divided(sizes: Sequence[int] | None) -> Case:
    def build(opset: int) -> Graph:
        constants: dict[str, np.ndarray] = {}
        attributes: dict[str, Any] = {"axis": 1 if opset < 11 else -3}
        if sizes is not None and opset < 13:
            attributes["split"] = list(sizes)
        elif sizes is not None:
            constants["n"] = np.array(sizes, np.int64)
        elif opset >= 18:
            attributes["num_outputs"] = 2
        node = helper.make_node("Split", ["x", *constants], ["y", "z"], **attributes)
        return Graph([node], constants=constants, outputs=("y", "z"), types=(1, 1))

    return build


CASES["split"], CASES["split_sizes"] = divided(None), divided([1, 3])


@case
def split_uneven(opset: int) -> Graph | None:
    node = helper.make_node("Split", ["x"], ["y", "z", "u"], axis=1, num_outputs=3)
    graph = Graph([node], {"x": X[:, :, :5]}, outputs=("y", "z", "u"), types=(1, 1, 1))
    graph.nodes[0].attribute[0].i = 2
    return graph if opset >= 18 else None


@case
def batch_normalization(opset: int) -> Graph:
    constants = {n: np.abs(RNG.standard_normal(4)).astype(np.float32) + 0.5 for n in ("s", "b", "m", "v")}
    return Graph([one("BatchNormalization", ("x", *constants), epsilon=1e-3)], constants=constants)


@case
def roi_align(opset: int) -> Graph | None:
    constants = {"r": np.array([[0, 0, 4, 4], [1, 1, 5, 3]], np.float32), "b": np.array([0, 1], np.int64)}
    node = one("RoiAlign", ("x", "r", "b"), output_height=2, output_width=3, sampling_ratio=2)
    return Graph([node], constants=constants) if opset >= 10 else None


def transformed(axis: int | None) -> Case:
    def build(opset: int) -> Graph | None:
        if opset < 17:
            return None
        feeds = {"x": RNG.standard_normal((2, 5, 4, 1)).astype(np.float32)}
        if opset < 20:
            return Graph([one("DFT", **({} if axis is None else {"axis": axis}))], feeds)
        constants = {} if axis is None else {"a": np.array(axis, np.int64)}
        return Graph([one("DFT", ("x", *(("", "a") if constants else ())))], feeds, constants)

    return build


CASES["dft"], CASES["dft_axis"] = transformed(None), transformed(2)


def sampled(old: str, new: str) -> Case:
    def build(opset: int) -> Graph | None:
        grid = RNG.uniform(-1.2, 1.2, (2, 3, 5, 2)).astype(np.float32)
        node = one("GridSample", ("x", "g"), mode=old if opset < 20 else new, align_corners=1)
        return Graph([node], constants={"g": grid}) if opset >= 16 else None

    return build


CASES["grid_sample"], CASES["grid_sample_nearest"] = sampled("bilinear", "linear"), sampled("nearest", "nearest")
CASES["grid_sample_cubic"] = sampled("bicubic", "cubic")


@case
def group_normalization(opset: int) -> Graph | None:
    count = 2 if opset < 21 else 4
    constants = {n: RNG.standard_normal(count).astype(np.float32) for n in ("s", "b")}
    node = one("GroupNormalization", ("x", "s", "b"), num_groups=2, epsilon=1e-3)
    return Graph([node], constants=constants) if opset >= 18 else None


def pooled(op_type: str, **attributes: Any) -> Case:
    def build(opset: int) -> Graph | None:
        if opset < {"AveragePool": 10, "MaxPool": 10, "LpPool": 18}[op_type] and "ceil_mode" in attributes:
            return None
        if "dilations" in attributes and opset < {"AveragePool": 19, "MaxPool": 10, "LpPool": 18}[op_type]:
            return None
        return Graph([one(op_type, kernel_shape=[3, 2], strides=[2, 1], **attributes)])

    return build


for _op in ("AveragePool", "MaxPool", "LpPool"):
    CASES[f"{_op}_plain"] = pooled(_op)
    CASES[f"{_op}_pads"] = pooled(_op, pads=[1, 0, 0, 1])
    CASES[f"{_op}_dilated"] = pooled(_op, dilations=[2, 2])
CASES["MaxPool_ceil"] = pooled("MaxPool", ceil_mode=1)


@case
def gemm(opset: int) -> Graph | None:
    feeds = {"x": RNG.standard_normal((3, 5)).astype(np.float32)}
    constants = {"w": RNG.standard_normal((4, 5)).astype(np.float32), "c": RNG.standard_normal(4).astype(np.float32)}
    return Graph([one("Gemm", ("x", "w", "c"), transB=1, alpha=0.5)], feeds, constants)


@case
def gemm_without_c(opset: int) -> Graph | None:
    feeds = {"x": RNG.standard_normal((3, 5)).astype(np.float32)}
    constants = {"w": RNG.standard_normal((5, 4)).astype(np.float32)}
    return Graph([one("Gemm", ("x", "w"))], feeds, constants) if opset >= 11 else None


@case
def arg_max(opset: int) -> Graph:
    return Graph([one("ArgMax", axis=2 if opset < 11 else -2, keepdims=0)], types=[TensorProto.INT64])


@case
def one_hot(opset: int) -> Graph:
    feeds = {"x": np.array([[0, 2], [1, 3]], np.int64)}
    constants = {"d": np.array(4, np.int64), "v": np.array([-1, 2], np.float32)}
    return Graph([one("OneHot", ("x", "d", "v"))], feeds, constants)


@case
def depth_to_space(opset: int) -> Graph:
    return Graph([one("DepthToSpace", blocksize=2)])


@case
def depth_to_space_crd(opset: int) -> Graph | None:
    return Graph([one("DepthToSpace", blocksize=2, mode="CRD")]) if opset >= 11 else None


@case
def space_to_depth(opset: int) -> Graph:
    return Graph([one("SpaceToDepth", blocksize=3)])


@case
def shape_part(opset: int) -> Graph | None:
    nodes = [helper.make_node("Shape", ["x"], ["s"], start=1, end=-1), one("Cast", ("s",), to=TensorProto.FLOAT)]
    return Graph(nodes) if opset >= 15 else None


@case
def cast(opset: int) -> Graph:
    return Graph([one("Cast", to=TensorProto.INT32)], {"x": X * 10}, types=[TensorProto.INT32])


def recurrent(op_type: str, gates: int) -> Case:
    def build(opset: int) -> Graph:
        feeds = {"x": RNG.standard_normal((5, 2, 3)).astype(np.float32)}
        constants = {
            "w": RNG.standard_normal((2, gates * 4, 3)).astype(np.float32),
            "r": RNG.standard_normal((2, gates * 4, 4)).astype(np.float32),
            "b": RNG.standard_normal((2, gates * 8)).astype(np.float32),
        }
        node = helper.make_node(op_type, ["x", "w", "r", "b"], ["y", "h"], hidden_size=4, direction="bidirectional")
        return Graph([node], feeds, constants, ("y", "h"), (1, 1))

    return build


CASES["lstm"], CASES["gru"], CASES["rnn"] = recurrent("LSTM", 4), recurrent("GRU", 3), recurrent("RNN", 1)


@case
def power(opset: int) -> Graph:
    return Graph([one("Pow", ("x", "e"))], {"x": np.abs(X)}, {"e": np.array(2.5, np.float32)})


@case
def modulo(opset: int) -> Graph | None:
    feeds = {"x": np.array([-7, -3, 4, 9], np.int64)}
    constants = {"d": np.array([3, -2, -3, 5], np.int64)}
    return Graph([one("Mod", ("x", "d"))], feeds, constants, types=[TensorProto.INT64]) if opset >= 10 else None


@case
def quantised(opset: int) -> Graph | None:
    constants = {"s": np.array(0.05, np.float32), "z": np.array(100, np.uint8)}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), one("DequantizeLinear", ("q", "s", "z"))]
    return Graph(nodes, constants=constants) if opset >= 10 else None


@case
def cum_sum(opset: int) -> Graph | None:
    node = one("CumSum", ("x", "a"), reverse=1)
    return Graph([node], constants={"a": np.array(-2, np.int64)}) if opset >= 11 else None


@case
def reshape_zero(opset: int) -> Graph:
    return Graph([one("Reshape", ("x", "s"))], constants={"s": np.array([0, -1, 3], np.int64)})


@case
def flatten(opset: int) -> Graph:
    return Graph([one("Flatten", axis=2 if opset < 11 else -2)])


@case
def prelu(opset: int) -> Graph:
    return Graph([one("PRelu", ("x", "s"))], constants={"s": RNG.standard_normal((4, 1, 1)).astype(np.float32)})


@case
def conv_transpose(opset: int) -> Graph:
    weight = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
    return Graph([one("ConvTranspose", ("x", "w"), auto_pad="SAME_LOWER", strides=[2, 2])], constants={"w": weight})


@case
def where(opset: int) -> Graph:
    nodes = [helper.make_node("Greater", ["x", "z"], ["c"]), one("Where", ("c", "x", "z"))]
    return Graph(nodes, constants={"z": np.zeros((1, 4, 1, 1), np.float32)})


@case
def expand(opset: int) -> Graph:
    return Graph([one("Expand", ("x", "s"))], {"x": X[:, :1]}, {"s": np.array([1, 4, 1, 1], np.int64)})


@case
def branch(opset: int) -> Graph:
    """Both branches hold an operator that changed."""
    axes = np.array([1], np.int64)
    bodies = []
    for op_type in ("ReduceSum", "ReduceMax"):
        as_input = opset >= (13 if op_type == "ReduceSum" else 18)
        nodes = [helper.make_node("Constant", [], [f"a_{op_type}"], value=numpy_helper.from_array(axes))] * as_input
        inputs = ["x", f"a_{op_type}"] if as_input else ["x"]
        attributes = {} if as_input else {"axes": [1]}
        nodes.append(helper.make_node(op_type, inputs, [f"o_{op_type}"], **attributes))
        out = helper.make_tensor_value_info(f"o_{op_type}", TensorProto.FLOAT, None)
        bodies.append(helper.make_graph(nodes, op_type, [], [out]))
    feeds = {"x": X, "c": np.array(False)}
    return Graph([one("If", ("c",), then_branch=bodies[0], else_branch=bodies[1])], feeds)


@case
def clean(opset: int) -> Graph:
    """Operators that only ever learnt more element types."""
    nodes = [
        helper.make_node(op_type, [a], [b])
        for op_type, a, b in zip(
            ("Abs", "Exp", "Sqrt", "Tanh", "Sigmoid", "Softplus", "Selu", "Elu", "Erf", "Identity", "Transpose"),
            "xabcdefghij",
            "abcdefghijy",
            strict=True,
        )
    ]
    return Graph(nodes)


@case
def attention(opset: int) -> Graph | None:
    feeds = {name: RNG.standard_normal((2, 3, 5, 4)).astype(np.float32) for name in ("x", "k", "v")}
    return Graph([one("Attention", ("x", "k", "v"), is_causal=1)], feeds) if opset >= 23 else None


@case
def swish(opset: int) -> Graph | None:
    return Graph([one("Swish", alpha=1.5)]) if opset >= 24 else None


@case
def counted(opset: int) -> Graph | None:
    constants = {n: np.array(v, np.float32) for n, v in {"a": 1, "b": 4, "d": 0.5}.items()}
    nodes = [helper.make_node("Range", ["a", "b", "d"], ["r"]), one("Mul", ("x", "r"))]
    return Graph(nodes, constants=constants) if opset >= 11 else None


@pytest.mark.parametrize("opset", range(OLDEST, NEWEST + 1))
def test_every_operator_means_the_same(opset: int) -> None:
    wrong = []
    for name, build in CASES.items():
        graph = build(opset)
        if graph is None:
            continue
        proto = graph.model(opset)
        try:
            expected = _run(proto, graph.feeds)
            found = _run(ir.to_proto(settle(ir.from_proto(proto))), graph.feeds)
        except Exception as error:  # noqa: BLE001 - all cases of an opset are told at once
            wrong.append(f"{name}: {type(error).__name__} {str(error).splitlines()[0][:200]}")
            continue
        for a, b in zip(expected, found, strict=True):
            result = compare(a, b, Tolerance(1e-5, 1e-6))
            if not result.passed:
                wrong.append(f"{name}: {result.reason}")
    assert not wrong, "\n".join(wrong)


def _run(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """By onnxruntime; by onnx's reference where onnxruntime lacks the opset's version of an operator."""
    versions = {entry.domain: entry for entry in proto.opset_import}
    opset = versions[""].version
    used = [v for node in proto.graph.node for v in _all_versions()[node.op_type] if v <= opset]
    newest = max(used, default=OLDEST)
    if newest <= NEWEST_OF_ONNXRUNTIME:
        versions[""].version = min(opset, NEWEST_OF_ONNXRUNTIME)
        options = ort.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
            return list(session.run(None, feeds))
        except ort.capi.onnxruntime_pybind11_state.NotImplemented:
            versions[""].version = opset
    return list(onnx.reference.ReferenceEvaluator(proto).run(None, feeds))


TOO_NEW = {"CausalConvWithState", "LinearAttention", "SwiGLU", "TensorScatter"}
"""Operators that only exist above 23, and that nothing at 23 can say in one node."""


def test_the_newest_opset_was_read() -> None:
    assert onnx.defs.onnx_opset_version() == NEWEST, "onnx has a new opset: read what changed, then raise NEWEST"


def test_every_change_is_rewritten_or_only_adds() -> None:
    """A version without a rewrite keeps inputs and outputs, and each new attribute has a default."""
    unexplained = []
    for op_type, versions in _all_versions().items():
        for older, newer in pairwise(versions):
            if newer > OPSET:
                if (op_type, newer) not in DOWNGRADES:
                    unexplained.append((op_type, newer))
            elif newer > OLDEST and (op_type, newer) not in UPGRADES and not _only_adds(op_type, older, newer):
                unexplained.append((op_type, newer))
        if versions[0] > OPSET and op_type not in TOO_NEW and (op_type, versions[0]) not in DOWNGRADES:
            unexplained.append((op_type, versions[0]))
    assert unexplained == []


def _only_adds(op_type: str, older: int, newer: int) -> bool:
    a, b = onnx.defs.get_schema(op_type, older), onnx.defs.get_schema(op_type, newer)
    if len(a.inputs) > len(b.inputs) or len(a.outputs) > len(b.outputs):
        return False
    if any(name not in b.attributes for name in a.attributes):
        return False
    same = all(a.attributes[name].default_value == b.attributes[name].default_value for name in a.attributes)
    return same and not any(b.attributes[name].required for name in b.attributes if name not in a.attributes)


def _one_node(op_type: str, opset: int, **attributes: Any) -> ir.Model:
    return ir.from_proto(Graph([one(op_type, **attributes)]).model(opset))


@pytest.mark.parametrize("opset", [7, 8, NEWEST + 1])
def test_an_opset_outside_of_the_range_is_refused(opset: int) -> None:
    with pytest.raises(Unsupported, match=f"Opset {opset} is not converted: supported are 9 to 28"):
        ConvertOpset()(_one_node("Relu", opset))


@pytest.mark.parametrize("version", [3, 10, onnx.IR_VERSION])
def test_the_file_format_is_one_that_onnxruntime_reads(version: int) -> None:
    model = _one_node("Relu", 17)
    model.ir_version = version
    assert ConvertOpset()(model).modified
    assert not ConvertOpset()(model).modified
    assert Oracle.for_source(model, model).run({"x": X})[0].shape == X.shape


def test_a_graph_without_an_opset_is_refused() -> None:
    model = _one_node("Relu", 17)
    model.opset_imports.clear()
    with pytest.raises(BadSource, match="which opset"):
        ConvertOpset()(model)


def test_unknown_operators_are_listed_together() -> None:
    nodes = [
        helper.make_node("Magic", ["x"], ["a"], name="first"),
        helper.make_node("FusedConv", ["a"], ["b"], name="second", domain="com.microsoft"),
        helper.make_node("Attention", ["b"], ["y"], name="third"),  # of 23, in a graph of 17
    ]
    model = ir.from_proto(Graph(nodes).model(17))
    with pytest.raises(Unsupported) as caught:
        ConvertOpset()(model)
    assert caught.value.message == "3 operators are unknown: Attention, Magic, com.microsoft::FusedConv."
    assert caught.value.node is not None and all(
        f"{name!r}" in caught.value.node for name in ("first", "second", "third")
    )


def test_operators_that_are_known_and_refused_are_listed_with_the_unknown() -> None:
    nodes = [
        helper.make_node("Magic", ["x"], ["a"], name="first"),
        helper.make_node("StringNormalizer", ["a"], ["y"], name="second"),
    ]
    with pytest.raises(Unsupported) as caught:
        ConvertOpset()(ir.from_proto(Graph(nodes).model(17)))
    assert caught.value.message == "1 operator is unknown: Magic. Not supported either: StringNormalizer."
    assert caught.value.node == "Magic node 'first'; StringNormalizer node 'second'"


def test_what_23_cannot_say_is_refused() -> None:
    with pytest.raises(Unsupported, match="SwiGLU of opset 28 has no equal at opset 23"):
        ConvertOpset()(_one_node("SwiGLU", 28))
    with pytest.raises(Unsupported, match="mode='CRD' is newer than opset 23"):
        ConvertOpset()(_one_node("SpaceToDepth", 28, blocksize=2, mode="CRD"))


def test_batch_normalization_in_training_is_refused() -> None:
    outputs = ["y", "m2", "v2", "m3", "v3"]
    node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], outputs, name="bn1")
    constants = {n: np.ones(4, np.float32) for n in ("s", "b", "m", "v")}
    with pytest.raises(Unsupported, match="training mode") as caught:
        ConvertOpset()(ir.from_proto(Graph([node], constants=constants).model(9)))
    assert caught.value.node == "BatchNormalization node 'bn1'"


@pytest.mark.parametrize("scales", [[1, 1, 2, 2], [1, 1, 0.5, 2]])
def test_a_resize_by_computed_scales_of_opset_10(scales: list[float]) -> None:
    """Which pixel is the nearest is then said when the model runs."""
    graph = Graph([one("Resize", ("x", "s"), mode="nearest")], {"x": X, "s": np.array(scales, np.float32)})
    model = graph.model(10)
    check_onnx(ir.from_proto(model), feeds=[{"x": X, "s": np.array(scales, np.float32)}])


def test_names_metadata_and_tensors_stay() -> None:
    node = one("Conv", ("x", "w"))
    clip = helper.make_node("Clip", ["y"], ["z"], name="/features/act/Clip", min=0.0, max=6.0)
    graph = Graph([node, clip], constants={"w": np.ones((3, 4, 1, 1), np.float32)}, outputs=("z",))
    model = ir.from_proto(graph.model(9))
    weight, act = model.graph.initializers["w"].const_value, model.graph[1]
    act.metadata_props["source"] = "kept"
    assert ConvertOpset()(model).modified
    assert model.graph.initializers["w"].const_value is weight
    assert act.name == "/features/act/Clip" and act.outputs[0].name == "z"
    assert act.metadata_props["source"] == "kept"
    assert len(act.inputs) == 3 and not act.attributes


def test_a_function_of_another_opset_is_settled_with_its_own() -> None:
    """`Clip` of opset 6 inside of a function, in a graph of opset 17."""
    body = helper.make_node("Clip", ["a"], ["b"], min=-0.25, max=0.25)
    function = helper.make_function("my", "Bound", ["a"], ["b"], [body], [helper.make_opsetid("", 9)])
    call = helper.make_node("Bound", ["x"], ["y"], domain="my", name="bound")
    proto = Graph([call]).model(17)
    proto.opset_import.append(helper.make_opsetid("my", 1))
    proto.functions.append(function)
    model = settle(ir.from_proto(proto))
    assert [node.op_type for node in model.graph] == ["Clip"]
    (found,) = _run(ir.to_proto(model), {"x": X})
    np.testing.assert_array_equal(found, X.clip(-0.25, 0.25))


def test_functions_in_a_circle_are_refused() -> None:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    body = helper.make_node("Loop2", ["a"], ["b"], domain="my")
    function = helper.make_function("my", "Loop2", ["a"], ["b"], [body], imports)
    proto = Graph([helper.make_node("Loop2", ["x"], ["y"], domain="my")]).model(17)
    proto.opset_import.append(helper.make_opsetid("my", 1))
    proto.functions.append(function)
    with pytest.raises(BadSource, match="in a circle"):
        InlineFunctions()(ir.from_proto(proto))


def test_the_long_name_of_the_standard_domain_is_understood() -> None:
    proto = Graph([one("Relu")]).model(17)
    proto.opset_import[0].domain = "ai.onnx"
    proto.graph.node[0].domain = "ai.onnx"
    model = settle(ir.from_proto(proto))
    assert dict(model.opset_imports) == {"": 23}
