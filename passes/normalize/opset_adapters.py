"""What changed from one opset to the next, one small rewrite for each operator whose meaning or interface changed.

A rewrite is registered under the operator and the version that it reaches. It changes the node in place, so that its
name, its outputs and its metadata stay. Versions that are not here only allow more element types, add an attribute
whose default is the old behaviour, or correct the text: read for every operator and version from 9 to 28, and pinned
by a test that fails when onnx adds one.

onnx's own version converter is not used: it drops every node's metadata, leaves Split without num_outputs and
GroupNormalization with a scale per group, names the nodes it makes "", and copies the model twice through protobuf.
onnxscript's starts at opset 18.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.errors import BadSource, Unsupported, describe
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.lower.meanings import FLATTENED
from passes.registry import Registry

Rewrite = Callable[[ir.Node, FreshNames], None]
UPGRADES: Registry[tuple[str, int], Rewrite] = Registry("rewrites")
"""(operator, version it reaches) → rewrite, for versions up to 23."""

DOWNGRADES: Registry[tuple[str, int], Rewrite | None] = Registry("ways back")
"""(operator, version it leaves) → rewrite back to what 23 has, for versions above; None: only more element types."""

NEAREST_KEY = "keraport.nearest"
"""Metadata key of a Resize whose nearest_mode nearest_resize_10.py will find out."""

_REDUCTIONS = "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare"
REDUCTIONS = tuple(_REDUCTIONS.split())


def upgrade(version: int, *op_types: str) -> Callable[[Rewrite], Rewrite]:
    """Register the rewrite of some operators to the interface they have from `version` on."""
    return UPGRADES.register(*((op_type, version) for op_type in op_types))


def _take(node: ir.Node, name: str) -> Any:
    """The value of an attribute that the newer operator does not have; None where it is absent."""
    attribute = node.attributes.pop(name, None)
    if attribute is None:
        return None
    if attribute.is_ref():
        raise Unsupported(f"The attribute {name!r} refers to a function's attribute.", node=describe(node))
    return attribute.value


def _append(
    node: ir.Node, names: FreshNames, position: int, numbers: np.ndarray | Sequence[int] | None, label: str
) -> None:
    """Give the node a constant input at a position, leaving those between absent."""
    if numbers is None:
        return
    if len(node.inputs) <= position:
        node.resize_inputs(position + 1)
    node.replace_input_with(position, Builder(node, names).constant(numbers, label))


def _like_first(node: ir.Node, names: FreshNames, position: int, number: float, label: str) -> None:
    """Give the node a constant input of the element type of its first input."""
    x = node.inputs[0]
    if x is None:
        raise BadSource("The first input is missing.", node=describe(node))
    at = Builder(node, names)
    if x.dtype is not None:
        value = at.constant(np.array(number, x.dtype.numpy()), label)
    else:
        value = at.node("CastLike", [at.constant(np.array(number, np.float32), label), x], [])
    if len(node.inputs) <= position:
        node.resize_inputs(position + 1)
    node.replace_input_with(position, value)


@upgrade(10, "Slice")
def _slice(node: ir.Node, names: FreshNames) -> None:
    for position, name in enumerate(("starts", "ends", "axes"), 1):
        _append(node, names, position, _take(node, name), name)


@upgrade(10, "TopK")
def _top_k(node: ir.Node, names: FreshNames) -> None:
    _append(node, names, 1, [_take(node, "k")], "k")


@upgrade(10, "Upsample")
def _upsample(node: ir.Node, names: FreshNames) -> None:
    """Upsample is what Resize was at 10."""
    node.op_type = "Resize"


@upgrade(11, "Resize")
def _resize(node: ir.Node, names: FreshNames) -> None:
    """Resize(x, scales) of opset 10 takes coordinates as x / scale."""
    scales = node.inputs[1]
    node.resize_inputs(3)
    node.replace_input_with(1, None)
    node.replace_input_with(2, scales)
    node.attributes.add(ir.AttrString("coordinate_transformation_mode", "asymmetric"))
    node.attributes.add(ir.AttrString("nearest_mode", "floor"))
    if node.attributes.get_string("mode", "nearest") == "nearest":
        node.metadata_props[NEAREST_KEY] = "opset 10"


@upgrade(13, "Resize")
def _resize_13(node: ir.Node, names: FreshNames) -> None:
    """13 dropped a mode; an empty roi, scales or sizes may now be left out."""
    if node.attributes.get_string("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn":
        raise Unsupported("Resize with tf_half_pixel_for_nn is not converted.", node=describe(node))


@upgrade(11, "Clip")
def _clip(node: ir.Node, names: FreshNames) -> None:
    for position, name in ((1, "min"), (2, "max")):
        bound = _take(node, name)
        if bound is not None:
            _like_first(node, names, position, bound, name)


@upgrade(11, "Pad")
def _pad(node: ir.Node, names: FreshNames) -> None:
    value = _take(node, "value")
    _append(node, names, 1, _take(node, "pads"), "pads")
    if value and node.attributes.get_string("mode", "constant") == "constant":
        _like_first(node, names, 2, value, "pad_value")


@upgrade(11, "Scatter")
def _scatter(node: ir.Node, names: FreshNames) -> None:
    node.op_type = "ScatterElements"


@upgrade(12, "Dropout")
def _dropout(node: ir.Node, names: FreshNames) -> None:
    """Below 12 the ratio is an attribute, and there is no training mode left."""
    ratio = _take(node, "ratio")
    _append(node, names, 1, np.array(0.5 if ratio is None else ratio, np.float32), "ratio")


@upgrade(13, "Softmax", "LogSoftmax", "Hardmax")
def _softmax(node: ir.Node, names: FreshNames) -> None:
    """Below 13 everything from `axis` on (default 1) counts as one axis."""
    if "axis" not in node.attributes:
        node.attributes.add(ir.AttrInt64("axis", 1))
    x = node.inputs[0]
    rank = None if x is None or x.shape is None else len(x.shape)
    if rank is None or node.attributes.get_int("axis", 1) not in (-1, rank - 1):
        node.op_type, node.domain = FLATTENED + node.op_type, "keraport"
        names.opset_imports.setdefault("keraport", 1)


@upgrade(13, "Squeeze", "Unsqueeze", "ReduceSum")
@upgrade(18, *REDUCTIONS)
def _axes(node: ir.Node, names: FreshNames) -> None:
    axes = _take(node, "axes")
    if axes or node.op_type == "Unsqueeze":
        _append(node, names, 1, axes, "axes")


@upgrade(13, "Split")
def _split(node: ir.Node, names: FreshNames) -> None:
    _append(node, names, 1, _take(node, "split"), "split")


@upgrade(18, "Split")
def _split_18(node: ir.Node, names: FreshNames) -> None:
    """Equal parts must now be asked for."""
    if len(node.inputs) < 2 or node.inputs[1] is None:
        node.attributes.add(ir.AttrInt64("num_outputs", len(node.outputs)))


@upgrade(14, "BatchNormalization")
def _batch_normalization(node: ir.Node, names: FreshNames) -> None:
    """Below 14 more than one output means training."""
    if any(output.name for output in node.outputs[1:]):
        raise Unsupported(
            "BatchNormalization in training mode is not converted.",
            node=describe(node),
            hint="export the model after model.eval()",
        )


@upgrade(16, "RoiAlign")
def _roi_align(node: ir.Node, names: FreshNames) -> None:
    """The default became half_pixel; before, there was only this:"""
    node.attributes.add(ir.AttrString("coordinate_transformation_mode", "output_half_pixel"))


@upgrade(20, "DFT")
def _dft(node: ir.Node, names: FreshNames) -> None:
    """The axis became an input whose default is -2; it was an attribute whose default is 1."""
    axis = _take(node, "axis")
    _append(node, names, 2, np.array(1 if axis is None else axis, np.int64), "axis")


@upgrade(20, "GridSample")
def _grid_sample(node: ir.Node, names: FreshNames) -> None:
    mode = node.attributes.get_string("mode", "bilinear")
    node.attributes.add(ir.AttrString("mode", {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)))


@upgrade(21, "GroupNormalization")
def _group_normalization(node: ir.Node, names: FreshNames) -> None:
    """scale and bias: one number per group becomes one per channel, each repeated channels / groups times."""
    at = Builder(node, names)
    x = node.inputs[0]
    groups = node.attributes["num_groups"].as_int()
    if x is None:
        raise BadSource("The first input is missing.", node=describe(node))
    channels = at.size(x, 1)
    times = at.node("Div", [channels, at.constant([groups], "groups")], [1])
    repeat = at.node("Concat", [at.constant([groups], "rows"), times], [2], {"axis": 0})
    for position in (1, 2):
        column = at.node("Reshape", [node.inputs[position], at.constant([-1, 1], "column")], [groups, 1])
        table = at.node("Expand", [column, repeat], [groups, None])
        node.replace_input_with(position, at.node("Reshape", [table, at.constant([-1], "flat")], [None]))


def downgrade(version: int, *op_types: str) -> Callable[[Rewrite], Rewrite]:
    """Register the rewrite of some operators from the interface that `version` brought to the one before."""

    def register(function: Rewrite) -> Rewrite:
        DOWNGRADES.register(*((op_type, version) for op_type in op_types))(function)
        return function

    return register


_WIDENED = {
    24: """
        Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape Scan Shape Size
        SplitToSequence Squeeze TopK Transpose Unsqueeze
    """,
    25: """
        Cast CastLike Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape
        Scan Shape Size Squeeze Transpose Unsqueeze
    """,
    28: """
        BitShift Cast Celu Compress DepthToSpace DequantizeLinear Einsum Mod OneHot Optional OptionalGetElement
        OptionalHasElement QuantizeLinear ReduceLogSum ReduceLogSumExp ReverseSequence Unique
    """,
}
for _version, _widened in _WIDENED.items():
    DOWNGRADES.update({(_op_type, _version): None for _op_type in _widened.split()})


def _only_default(node: ir.Node, name: str, default: int | str) -> None:
    value = _take(node, name)
    if value is not None and value != default:
        raise Unsupported(f"{node.op_type} with {name}={value!r} is newer than opset 23.", node=describe(node))


@downgrade(24, "Cast", "CastLike")
def _cast_24(node: ir.Node, names: FreshNames) -> None:
    _only_default(node, "round_mode", "up")  # of float8e8m0 only, which 23 does not have


@downgrade(24, "Attention")
def _attention_24(node: ir.Node, names: FreshNames) -> None:
    """What has a seventh input is a composition already (standard_functions.py)."""
    node.resize_inputs(min(len(node.inputs), 6))


@downgrade(25, "Attention")
def _attention_25(node: ir.Node, names: FreshNames) -> None:
    _only_default(node, "left_window_size", -1)
    _only_default(node, "right_window_size", -1)


@downgrade(27, "Range")
def _range_27(node: ir.Node, names: FreshNames) -> None:
    _take(node, "stash_type")  # of half-precision ranges only, which 23 does not have


@downgrade(28, "SpaceToDepth")
def _space_to_depth_28(node: ir.Node, names: FreshNames) -> None:
    _only_default(node, "mode", "DCR")


@downgrade(26, "BitCast", "CumProd")
def _private(node: ir.Node, names: FreshNames) -> None:
    """23 has no equal, and Keras has."""
    node.domain = "keraport"
    names.opset_imports.setdefault("keraport", 1)


@downgrade(24, "Swish")
def _swish(node: ir.Node, names: FreshNames) -> None:
    """Swish(x) = x · sigmoid(alpha · x)."""
    at = Builder(node, names)
    x = node.inputs[0]
    if x is None:
        raise BadSource("The input is missing.", node=describe(node))
    sizes = [] if x.shape is None else sizes_of(x)
    alpha = _take(node, "alpha")
    gate = x
    if alpha not in (None, 1.0):
        number = at.node("CastLike", [at.constant(np.array(alpha, np.float32), "alpha"), x], [])
        gate = at.node("Mul", [x, number], sizes)
    gate = at.node("Sigmoid", [gate], sizes)
    node.op_type = "Mul"
    node.resize_inputs(2)
    node.replace_input_with(1, gate)
