"""Products with a constant matrix become one operator: a Dense layer to be.

y[…, n] = Σₖ x[…, k] · W[k, n] + b[n]
"""

from __future__ import annotations

import onnx_ir as ir

from passes.insertion import Names
from passes.matching import other, raise_group, reader
from passes.weights import WeightViews


class RaiseDense(ir.passes.InPlacePass):
    """Given    t = MatMul(x, W);  y = Add(t, b)        W: constant [k, n], b: constant [n], or [1, …, 1, n]
    Result   y = keraport::Dense(x, W, b)

    Given    y = Gemm<transB=1>(x, W, b)
    Result   y = keraport::Dense(x, Wᵀ, b)           Wᵀ is a view of W, no copy

    Not when the product is read elsewhere too, or is an output: then the Add stays. Not for a Gemm with transA or with
    factors other than 1, nor where the bias broadcasts along n.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        views = Names(model).weight_views
        for node in model.graph.all_nodes():
            if node.domain == "" and node.op_type in ("MatMul", "Gemm") and node.graph is not None:
                modified |= _raise(node, views)
        if modified:
            model.opset_imports.setdefault("keraport", 1)
        return ir.passes.PassResult(model, modified)


def _raise(node: ir.Node, views: WeightViews) -> bool:
    x, weight, graph = node.inputs[0], node.inputs[1], node.graph
    if x is None or x.const_value is not None or x.shape is None or len(x.shape) < 2:
        return False
    if weight is None or graph is None or weight.const_value is None or len(_shape(weight)) != 2:
        return False
    nodes, last, bias = [node], node, None
    if node.op_type == "Gemm":
        turned = bool(node.attributes.get_int("transB", 0))
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if not _is_plain_gemm(node) or (bias is not None and not _is_bias(bias, _shape(weight)[0 if turned else 1], 2)):
            return False
        if turned:
            weight = views.view(graph, weight, [("transpose", (1, 0))])
    else:
        add = reader(node.outputs[0])
        added = other(add, node.outputs[0]) if add is not None and add.domain == "" and add.op_type == "Add" else None
        if add is not None and added is not None and _is_bias(added, _shape(weight)[1], len(x.shape)):
            last, bias = add, added
    inputs = [x, weight]
    if bias is not None:
        inputs.append(views.view(graph, bias, [("reshape", (_shape(weight)[1],))]))
    raised = raise_group(nodes, last, "Dense", inputs, domain="keraport")
    raised.name = node.name
    raised.metadata_props.update(node.metadata_props)
    return True


def _is_plain_gemm(node: ir.Node) -> bool:
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    return not node.attributes.get_int("transA", 0) and alpha == 1 and (beta == 1 or len(node.inputs) < 3)


def _shape(constant: ir.Value) -> list[int]:
    return [] if constant.const_value is None else [int(size) for size in constant.const_value.shape.numpy()]


def _is_bias(value: ir.Value, width: int, rank: int) -> bool:
    """A constant with one number for each column that adds no axes to the product."""
    shape = _shape(value)
    return value.const_value is not None and shape == [1] * (len(shape) - 1) + [width] and 1 <= len(shape) <= rank
