"""Drop what does nothing."""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.weight_views import WEIGHT_KEY
from passes.simplify.dropout import is_idle, rate_of
from passes.simplify.unused import RemoveUnused

__all__ = ["RemoveNoOps", "RemoveUnused", "RemoveZeroBias"]


class RemoveNoOps(ir.passes.InPlacePass):
    """Take out operators that hand on one of their inputs.

    Given    y = Cast<to=FLOAT>(x);  z = Relu(y)      x: float
    Result   z = Relu(x)

    Given    y = Concat<axis=1>(x, nothing)           nothing: [batch, 0, 8, 8], x: [batch, 4, 8, 8]
    Result   x

    Not when the output is one of the graph's, and the input is a graph's input, an initializer or an output itself: a
    graph needs a node between the two, and keeps an Identity there.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in model.graphs():
            for node in graph:
                modified |= _leave_out_nothing(node)
                if node.domain != "" or not node.outputs or not _does_nothing(node):
                    continue
                if node.inputs[0] is not None:
                    modified |= _bypass(node, node.inputs[0])
        return ir.passes.PassResult(model, modified)


class RemoveZeroBias(ir.passes.InPlacePass):
    """Take off a bias of zeros that is no weight of the source: torch's exporter makes one for every Conv without bias.

    Given    y = Conv(x, w, zeros)
    Result   y = Conv(x, w)

    Not when the zeros are a weight of the source: a checkpoint may be loaded into it later.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for graph in model.graphs():
            for node in graph:
                if node.domain != "" or node.op_type not in ("Conv", "ConvTranspose", "Gemm") or len(node.inputs) < 3:
                    continue
                bias = node.inputs[2]
                if bias is None or bias.const_value is None or WEIGHT_KEY in bias.metadata_props:
                    continue
                if not bias.const_value.numpy().any():
                    node.resize_inputs(2)
                    modified = True
        return ir.passes.PassResult(model, modified)


_SHAPE_ONLY = frozenset({"Reshape", "Expand", "Flatten", "Squeeze", "Unsqueeze", "Tile"})
_OF_ONE = frozenset({"Concat", "Max", "Mean", "Min", "Sum"})
_REDUCTIONS = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})


def _does_nothing(node: ir.Node) -> bool:
    x, y = node.inputs[0] if node.inputs else None, node.outputs[0]
    if x is None or any(output.uses() or output.is_graph_output() for output in node.outputs[1:]):
        return False
    if node.op_type == "Identity" or node.op_type in _OF_ONE:
        return len(node.inputs) == 1
    if node.op_type == "Clip":
        return all(bound is None for bound in node.inputs[1:])
    if node.op_type == "Dropout":  # another one is for who trains on
        return is_idle(node) and not rate_of(node)
    if node.op_type in ("Cast", "CastLike"):
        return x.dtype == y.dtype and x.dtype is not None
    if node.op_type == "Transpose":
        perm = node.attributes.get_ints("perm", None)
        return perm is not None and list(perm) == list(range(len(perm)))
    if not _same_shape(x, y):
        return False
    if node.op_type == "Slice":  # one with a negative step reverses
        return len(node.inputs) < 5 or node.inputs[4] is None or _constant_is(node, 4, 1)
    if node.op_type == "Pad":  # one before and minus one after would shift
        return _constant_is(node, 1, 0)
    if node.op_type in ("Add", "Sub"):  # of floats, -0.0 + 0 is another number
        return x.dtype is not None and x.dtype.is_integer() and _constant_is(node, 1, 0)
    if node.op_type in _REDUCTIONS:
        return len(node.inputs) < 2 and node.attributes.get_int("noop_with_empty_axes", 0) == 1
    return node.op_type in _SHAPE_ONLY or node.op_type == "Split"


def _leave_out_nothing(node: ir.Node) -> bool:
    """Join without what has size 0 along the axis, where something is left. What a graph takes stays read."""
    if node.op_type != "Concat" or node.domain != "":
        return False
    axis = node.attributes.get_int("axis", 0)
    kept = [value for value in node.inputs if not _is_empty(value, axis)]
    if not kept or len(kept) == len(node.inputs):
        return False
    for place, value in enumerate(kept):
        node.replace_input_with(place, value)
    node.resize_inputs(len(kept))
    return True


def _is_empty(value: ir.Value | None, axis: int) -> bool:
    if value is None or value.shape is None or value.is_graph_input():
        return False
    return -len(value.shape) <= axis < len(value.shape) and value.shape[axis] == 0


def _same_shape(x: ir.Value, y: ir.Value) -> bool:
    if x.shape is None or any(isinstance(dim, ir.SymbolicDim) and dim.value is None for dim in x.shape):
        return False
    return x.shape == y.shape


def _constant_is(node: ir.Node, position: int, number: int) -> bool:
    """Whether an input is constant and all of it is this number."""
    value = node.inputs[position]
    return value is not None and value.const_value is not None and bool((value.const_value.numpy() == number).all())


def _bypass(node: ir.Node, x: ir.Value) -> bool:
    y = node.outputs[0]
    if y.is_graph_output():
        if x.producer() is None or x.is_graph_output() or x.graph is not y.graph:
            return _become_identity(node, x)
        name, y.name = y.name, None
        y.replace_all_uses_with(x, replace_graph_outputs=True)
        x.name = name
    else:
        y.replace_all_uses_with(x)
    if node.graph is not None:
        node.graph.remove(node, safe=True)
    return True


def _become_identity(node: ir.Node, x: ir.Value) -> bool:
    if node.op_type == "Identity":
        return False
    node.op_type = "Identity"
    node.attributes.clear()
    node.replace_input_with(0, x)
    node.resize_inputs(1)
    node.resize_outputs(1)
    return True
