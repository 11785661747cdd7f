"""Write out what depends on ranks and sizes: axes count from the front, and nothing is left to be derived from a shape.

Given    Softmax<axis=-1>(x)                   Result   Softmax<axis=3>(x)
         ReduceMean(x, [-2, -1])                        ReduceMean(x, [2, 3])
         Squeeze(x)                                     Squeeze(x, [2, 3])          open axes stay
         Slice(x, [1], [4])                             Slice(x, [1], [4], [0], [1])
         Split<num_outputs=2>(x)                        Split(x, [8, 8])
         Pad(x, [1, 1], axes=[2])                       Pad(x, [0, 0, 1, 0, 0, 0, 1, 0])
         Conv(x, w)                                     Conv<kernel_shape, strides, dilations, pads>(x, w)
         CastLike(x, z)                                 Cast<to=FLOAT>(x)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import onnx_ir as ir

from passes.dims.bounds import lower_bound
from passes.dims.polynomial import Dim
from passes.errors import Unsupported, describe
from passes.facts.onnxruntime import AXES_NAME
from passes.graph.builder import Builder, FreshNames
from passes.shapes.rules.known_shapes import read_dim
from passes.shapes.rules.reductions import REDUCTIONS

_WITH_AXIS = """
    ArgMax ArgMin Compress Concat DequantizeLinear Flatten Gather GatherElements Hardmax LayerNormalization LogSoftmax
    LpNormalization QuantizeLinear RMSNormalization ScatterElements Softmax Split SplitToSequence TopK
"""
AXIS_ATTRIBUTE = frozenset(_WITH_AXIS.split())
WINDOWS = "Conv ConvTranspose MaxPool AveragePool LpPool ConvInteger QLinearConv"


KEPT_KEY = "keraport.kept_axes"
"""Metadata of a model: JSON list of sizes, see `kept_axes`."""


class ExplicitAxes(ir.passes.InPlacePass):
    """Make axes non-negative and rank-dependent defaults explicit. Ranks must be known."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        constants = _Constants(model)
        modified = False
        for graph in model.graphs():
            for node in graph:
                x = node.inputs[0] if node.inputs else None
                if node.domain != "" or x is None or x.shape is None:
                    continue
                modified |= _axis_attribute(node, len(x.shape))
                settle = _SETTLERS.get(node.op_type)
                if settle is not None:
                    modified |= settle(node, constants)
        if constants.kept:
            model.metadata_props[KEPT_KEY] = json.dumps(sorted(constants.kept))
        return ir.passes.PassResult(model, modified)


def kept_axes(model: ir.Model) -> list[str]:
    """The open sizes whose axes the source drops where they are 1, and the model keeps."""
    return list(json.loads(model.metadata_props.get(KEPT_KEY, "[]")))


class _Constants:
    """Small integer initializers, one for each list of numbers; the open sizes that a Squeeze without axes keeps."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._names: FreshNames | None = None
        self._made: dict[tuple[ir.Graph, tuple[int, ...]], ir.Value] = {}
        self.kept: set[str] = set()

    def set(self, node: ir.Node, position: int, numbers: Sequence[int]) -> bool:
        """Make the input at a position this list of numbers; whether that changed anything."""
        wanted = [int(number) for number in numbers]
        if len(node.inputs) > position and read(node, position) == wanted:
            return False
        graph = node.graph
        if not isinstance(graph, ir.Graph):
            raise ValueError(f"Node {node.name!r} is in no graph.")
        key = graph, tuple(wanted)
        if key not in self._made:
            self._names = self._names or FreshNames(self._model)
            self._made[key] = Builder(node, self._names).constant(wanted, AXES_NAME)
        if len(node.inputs) <= position:
            node.resize_inputs(position + 1)
        node.replace_input_with(position, self._made[key])
        return True


def read(node: ir.Node, position: int) -> list[int] | None:
    """The numbers of a constant input; None where it is absent or computed."""
    value = node.inputs[position] if len(node.inputs) > position else None
    if value is None or value.const_value is None:
        return None
    return [int(number) for number in value.const_value.numpy().reshape(-1)]


def _rank(node: ir.Node) -> int:
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise ValueError(f"Node {node.name!r} has no input of known rank.")
    return len(x.shape)


def _axis_attribute(node: ir.Node, rank: int) -> bool:
    if "axis" not in node.attributes or not (node.op_type in AXIS_ATTRIBUTE or node.op_type == "OneHot"):
        return False
    rank += node.op_type == "OneHot"  # whose axis is one of the output's
    axis = node.attributes["axis"].as_int()
    if axis >= 0 or rank == 0:
        return False
    node.attributes.add(ir.AttrInt64("axis", axis + rank))
    return True


def _from_front(axes: Sequence[int], rank: int) -> list[int]:
    return [axis + rank if axis < 0 else axis for axis in axes]


Settler = Callable[[ir.Node, _Constants], bool]


def _reduce(node: ir.Node, constants: _Constants) -> bool:
    rank = _rank(node)
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = read(node, 1)
        if axes is None:
            raise Unsupported("The axes of a reduction are computed.", node=describe(node))
    else:
        axes = []
    if not axes:
        if node.attributes.get_int("noop_with_empty_axes", 0):
            return False
        axes = list(range(rank))
    return constants.set(node, 1, _from_front(axes, rank))


def _squeeze(node: ir.Node, constants: _Constants) -> bool:
    x = node.inputs[0]
    axes = read(node, 1)
    if axes is None and x is not None and x.shape is not None:
        if len(node.inputs) > 1 and node.inputs[1] is not None:
            raise Unsupported("The axes of Squeeze are computed.", node=describe(node))
        sizes = [read_dim(size) for size in x.shape]
        constants.kept.update(str(size) for size in sizes if _may_be_one(size))
        axes = [axis for axis, size in enumerate(sizes) if size == 1]
    return constants.set(node, 1, _from_front(axes or [], _rank(node)))


def _may_be_one(size: Dim | None) -> bool:
    """Whether a size is 1 for some inputs and not for others."""
    if isinstance(size, int):
        return False
    least = None if size is None else lower_bound(size)
    return least is None or least <= 1


def _unsqueeze(node: ir.Node, constants: _Constants) -> bool:
    axes = read(node, 1)
    if axes is None:
        raise Unsupported("The axes of Unsqueeze are computed.", node=describe(node))
    return constants.set(node, 1, _from_front(axes, _rank(node) + len(axes)))


def _slice(node: ir.Node, constants: _Constants) -> bool:
    starts = node.inputs[1]
    count = starts.shape[0] if starts is not None and starts.shape is not None and len(starts.shape) == 1 else None
    if not isinstance(count, int):
        return False
    given = len(node.inputs) > 3 and node.inputs[3] is not None
    axes = read(node, 3) if given else list(range(count))
    if axes is None:
        raise Unsupported("The axes of Slice are computed.", node=describe(node))
    changed = constants.set(node, 3, _from_front(axes, _rank(node)))
    if len(node.inputs) < 5 or node.inputs[4] is None:
        changed |= constants.set(node, 4, [1] * count)
    return changed


def _split(node: ir.Node, constants: _Constants) -> bool:
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        return False
    axis = node.attributes.get_int("axis", 0)
    sizes = [output.shape[axis] if output.shape is not None else None for output in node.outputs]
    if not all(isinstance(size, int) for size in sizes):
        return False
    node.attributes.pop("num_outputs", None)
    return constants.set(node, 1, [size for size in sizes if isinstance(size, int)])


def _pad(node: ir.Node, constants: _Constants) -> bool:
    if len(node.inputs) < 4 or node.inputs[3] is None:
        return False
    rank, axes, pads = _rank(node), read(node, 3), read(node, 1)
    if axes is None:
        raise Unsupported("The axes of Pad are computed.", node=describe(node))
    if pads is None:
        return constants.set(node, 3, _from_front(axes, rank))
    full = [0] * (2 * rank)
    for position, axis in enumerate(_from_front(axes, rank)):
        full[axis], full[axis + rank] = pads[position], pads[position + len(axes)]
    node.resize_inputs(3)
    return constants.set(node, 1, full) or True


def _cum_sum(node: ir.Node, constants: _Constants) -> bool:
    axis = read(node, 1)
    value = node.inputs[1]
    if axis is None or axis[0] >= 0 or value is None or value.shape is None:
        return False
    return constants.set(node, 1, _from_front(axis, _rank(node)))


def _window(node: ir.Node, constants: _Constants) -> bool:
    rank = _rank(node) - 2
    wanted: dict[str, Sequence[int]] = {"strides": [1] * rank, "dilations": [1] * rank}
    if node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET" and "output_shape" not in node.attributes:
        wanted["pads"] = [0] * (2 * rank)
    if node.op_type == "ConvTranspose":
        wanted["output_padding"] = [0] * rank
    if not node.op_type.endswith("Pool"):
        weight = node.inputs[3 if node.op_type == "QLinearConv" else 1]
        kernel = None if weight is None or weight.shape is None else list(weight.shape[2:])
        if kernel is not None and all(isinstance(size, int) for size in kernel):
            wanted["kernel_shape"] = [size for size in kernel if isinstance(size, int)]
    missing = [name for name in wanted if not node.attributes.get_ints(name, None)]
    for name in missing:
        node.attributes.add(ir.AttrInt64s(name, list(wanted[name])))
    return bool(missing)


def _transpose(node: ir.Node, constants: _Constants) -> bool:
    if "perm" in node.attributes:
        return False
    node.attributes.add(ir.AttrInt64s("perm", list(reversed(range(_rank(node))))))
    return True


def _cast_like(node: ir.Node, constants: _Constants) -> bool:
    other = node.inputs[1]
    if other is None or other.dtype is None:
        return False
    node.op_type = "Cast"
    node.resize_inputs(1)
    node.attributes.add(ir.AttrInt64("to", int(other.dtype)))
    return True


_SETTLERS: dict[str, Settler] = {
    **dict.fromkeys(REDUCTIONS, _reduce),
    **dict.fromkeys(WINDOWS.split(), _window),
    "CastLike": _cast_like,
    "CumSum": _cum_sum,
    "Pad": _pad,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
