"""Channels-last: the layout lives in the graph.

    Given    t = Transpose<0,2,3,1>(x); … y = Conv(x, w);  z = Relu(y);  a = Add(z, x)
    Result   x' (channels last);  y' = nhwc::Conv(x', w);  z' = Relu(y');  a' = Add(z', x')

One walk in topological order. Every value of the source becomes an `AxesView` (see axes_view.py) of a value of the
result: channels-last operators take and give channels-last bases, element-wise operators compute on the base as it
lies, and Transpose, Reshape, Flatten, Squeeze and Unsqueeze mostly change the view only. A Transpose or Reshape is
written where an operator cannot work on a view, or where an output of the graph must have the axes of the source. So no
transposes are pushed about until they cancel: those that would cancel are never written, and the walk is linear. Where
one had to be written, turns/ takes it back into what it transposes, if that can give its result in another order.

Not changed: operators without a rule, which get plain values.
"""

from __future__ import annotations

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.errors import Unsupported, describe, operator
from passes.layout.image_inputs import image_inputs
from passes.layout.rules import (
    along_axes,
    attention,
    dropout,
    einsum,
    elementwise,
    expanding,
    lookups,
    padding,
    positions,
    products,
    quantisation,
    renaming,
    resizing,
    scattering,
    spatial,
)
from passes.layout.walk.axes_view import AxesView, channels_first_axes, channels_last
from passes.layout.walk.registry import RULES
from passes.layout.walk.walk import Walk

PERMUTATION_KEY = "keraport.permutation"
"""Metadata key of graph inputs and outputs: the axes p with keras_tensor = transpose(source_tensor, p)."""

DONE_KEY = "keraport.layout"
"""Metadata key of a model that has been through this pass."""

RULE_FILES = (
    along_axes,
    attention,
    dropout,
    einsum,
    elementwise,
    expanding,
    lookups,
    padding,
    positions,
    products,
    quantisation,
    renaming,
    resizing,
    scattering,
    spatial,
)


class Layout(ir.passes.InPlacePass):
    """Rewrite the graph to channels-last operators of the `nhwc` domain.

    Args:
        boundary: "channels_last" gives image inputs and outputs the Keras way, "source" keeps the axes of the source.
    """

    def __init__(self, boundary: str = "channels_last") -> None:
        super().__init__()
        self.boundary = boundary

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        if DONE_KEY in model.metadata_props or not len(graph):
            return ir.passes.PassResult(model, modified=False)
        model.metadata_props[DONE_KEY] = self.boundary
        walk = Walk(graph)
        images = image_inputs(graph) if self.boundary == "channels_last" else set()
        inputs = [_turn_input(walk, value) if value in images else _keep(walk, value) for value in graph.inputs]
        for node in graph:
            walk.node = node
            RULES.get(operator(node), along_axes.default)(walk, node)
            _require_outputs(walk, node)
        taken = set(inputs)
        outputs = [_output(walk, value, taken, turn=self.boundary == "channels_last") for value in graph.outputs]
        _replace(graph, walk, inputs, outputs)
        graph.opset_imports.update({"nhwc": 1, "keraport": 1})
        return ir.passes.PassResult(model, modified=True)


def _require_outputs(walk: Walk, node: ir.Node) -> None:
    """Rules write the outputs that Keras layers have; any other one must not be read."""
    for index, output in enumerate(node.outputs):
        if output not in walk.views and (output.uses() or output.is_graph_output()):
            raise Unsupported(f"Output {index} of {operator(node)} is not converted.", node=describe(node))


def _keep(walk: Walk, value: ir.Value) -> ir.Value:
    walk.anchor(value)
    return value


def _turn_input(walk: Walk, value: ir.Value) -> ir.Value:
    """[N, C, …] → an input of the same name with [N, …, C]."""
    dims = dims_of(value)
    perm = channels_last(len(dims))
    turned = ir.Value(name=value.name, shape=ir.Shape([dims[p].as_shape() for p in perm]), type=value.type)
    turned.metadata_props.update({**value.metadata_props, PERMUTATION_KEY: str(list(perm))})
    walk.views[value] = AxesView(turned, channels_first_axes(len(dims)))
    walk.anchor(turned)
    return turned


def _output(walk: Walk, value: ir.Value, taken: set[ir.Value], *, turn: bool) -> ir.Value:
    """The value that becomes an output: one of its own, computed by a node or a constant of the source."""
    view = walk.view(value)
    rank = view.rank
    walk.node = value.producer() or walk.node
    is_image = turn and rank >= 3 and view.axes == channels_first_axes(rank) and len(dims_of(view.base)) == rank
    result = view.base if is_image else walk.materialise(view)
    if result in taken or (result.const_value is not None and result is not value):
        result = walk.emit("Identity", [result], dims_of(result), like=value)
    if is_image:
        result.metadata_props[PERMUTATION_KEY] = str(list(channels_last(rank)))
    taken.add(result)
    return result


def _replace(graph: ir.Graph, walk: Walk, inputs: list[ir.Value], outputs: list[ir.Value]) -> None:
    """Put the written nodes in the place of the old ones; outputs take their names back."""
    wanted = dict(zip((str(value.name) for value in graph.outputs), outputs, strict=True))
    old = list(graph)
    graph.outputs.clear()
    graph.remove(old, safe=True)
    graph.inputs[:] = inputs
    graph.extend(walk.nodes)
    for node in walk.nodes:
        for value in node.outputs:
            if wanted.get(str(value.name), value) is not value:
                value.name = walk.unique(f"{value.name}_before")
    for name, value in wanted.items():
        value.name = name
    graph.outputs.extend(outputs)
