"""Products with a constant matrix become one operator: a Dense layer to be.

y[…, n] = Σₖ x[…, k] · W[k, n] + b[n]
"""

from __future__ import annotations

import onnx_ir as ir

from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import maker, other, raise_group, reader
from passes.graph.reasons import Fusion, NoMatch
from passes.graph.weight_views import is_trained


class FuseDense(Fusion):
    """Given    t = MatMul(x, W);  y = Add(t, b)        W: constant [k, n], b: constant [n], or [1, …, 1, n]
    Result   y = keraport::Dense(x, W, b)

    Given    y = Gemm<transB=1>(x, W, b)
    Result   y = keraport::Dense(x, Wᵀ, b)           Wᵀ is a view of W, no copy

    Given    t = Transpose<0, …, 2, 1>(x);  y = MatMul(W, t) + b        W: constant [n, k], b: constant [n, 1]
    Result   y = Transpose<0, …, 2, 1>(keraport::Dense(x, Wᵀ, b))

    Not when the product is read elsewhere too, or is an output: then the Add stays. Not for a Gemm with transA or with
    factors other than 1, nor where the bias broadcasts along n.
    """

    roots = frozenset({"MatMul", "Gemm"})

    def fuse(self, root: ir.Node, names: FreshNames) -> None:
        if _fuse_from_left(root, names):
            return
        x, weight, graph = root.inputs[0], root.inputs[1], root.graph
        if x is None or weight is None or graph is None or x.shape is None or len(x.shape) < 2:
            raise NoMatch("its input has less than two axes")
        if (
            weight.const_value is None
            or len(_shape(weight)) != 2
            or (x.const_value is not None and not is_trained(weight))
        ):
            raise NoMatch("it is no product of a tensor and a constant matrix")
        if root.op_type == "Gemm":
            last, weight, bias = _gemm(root, weight, names)
        else:
            last, bias = _with_sum(root, _shape(weight)[1], len(x.shape))
        inputs = [x, weight]
        if bias is not None:
            inputs.append(names.weight_views.view(graph, bias, [("reshape", (_shape(weight)[1],))]))
        raised = raise_group([root], last, "Dense", inputs, domain="keraport")
        raised.name = root.name
        raised.metadata_props.update(root.metadata_props)
        names.opset_imports.setdefault("keraport", 1)


def _fuse_from_left(root: ir.Node, names: FreshNames) -> bool:
    """A matrix times columns is rows times the matrix the other way about, where columns have come from rows."""
    weight, columns, graph = root.inputs[0], root.inputs[1], root.graph
    turned = maker(columns, "Transpose") if root.op_type == "MatMul" else None
    if weight is None or turned is None or graph is None or weight.const_value is None or len(_shape(weight)) != 2:
        return False
    x, rank, last = turned.inputs[0], len(sizes_of(root.outputs[0])), root
    swapped = [*range(rank - 2), rank - 1, rank - 2]
    if x is None or x.const_value is not None or list(turned.attributes.get_ints("perm", ())) != swapped:
        return False
    inputs, steps = [x, names.weight_views.view(graph, weight, [("transpose", (1, 0))])], _shape(weight)[:1]
    add = reader(root.outputs[0])
    bias = other(add, root.outputs[0]) if add is not None and add.domain == "" and add.op_type == "Add" else None
    if add is not None and bias is not None and _is_bias_of_rows(bias, steps, rank):
        inputs.append(names.weight_views.view(graph, bias, [("reshape", tuple(steps))]))
        last = add
    at = Builder(last, names)
    sizes = sizes_of(last.outputs[0])
    rows = at.node("Dense", inputs, [sizes[axis] for axis in swapped], domain="keraport", name=root.name)
    at.replace(at.node("Transpose", [rows], sizes, {"perm": swapped}))
    if last is not root:
        at.graph.remove(root, safe=True)
    return True


def _gemm(node: ir.Node, weight: ir.Value, names: FreshNames) -> tuple[ir.Node, ir.Value, ir.Value | None]:
    """The node itself, its matrix [k, n] and its bias."""
    turned = bool(node.attributes.get_int("transB", 0))
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if not _is_plain_gemm(node):
        raise NoMatch("it transposes its input, or scales")
    if bias is not None and not _is_bias(bias, _shape(weight)[0 if turned else 1], 2):
        raise NoMatch("its bias is not one number for each column")
    if turned and node.graph is not None:
        weight = names.weight_views.view(node.graph, weight, [("transpose", (1, 0))])
    return node, weight, bias


def _with_sum(node: ir.Node, width: int, rank: int) -> tuple[ir.Node, ir.Value | None]:
    """The Add of a bias after a product, and the bias; the product itself where there is none."""
    add = reader(node.outputs[0])
    added = other(add, node.outputs[0]) if add is not None and add.domain == "" and add.op_type == "Add" else None
    if add is not None and added is not None and _is_bias(added, width, rank):
        return add, added
    return node, None


def _is_plain_gemm(node: ir.Node) -> bool:
    alpha, beta = node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0)
    return not node.attributes.get_int("transA", 0) and alpha == 1 and (beta == 1 or len(node.inputs) < 3)


def _shape(constant: ir.Value) -> list[int]:
    return [] if constant.const_value is None else [int(size) for size in constant.const_value.shape.numpy()]


def _is_bias(value: ir.Value, width: int, rank: int) -> bool:
    """A constant with one number for each column that adds no axes to the product."""
    shape = _shape(value)
    return value.const_value is not None and shape == [1] * (len(shape) - 1) + [width] and 1 <= len(shape) <= rank


def _is_bias_of_rows(value: ir.Value, rows: list[int], rank: int) -> bool:
    """A constant with one number for each row that adds no axes to the product."""
    shape = _shape(value)
    return 2 <= len(shape) <= rank and shape == [*[1] * (len(shape) - 2), *rows, 1]
