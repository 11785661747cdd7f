"""A Dense along any axis of a base."""

from __future__ import annotations

from string import ascii_lowercase

import onnx_ir as ir

from passes.dims.product import dims_of, to_shape
from passes.layout.rules.einsum_dense.coming_back import comes_back
from passes.layout.rules.elementwise import is_product
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.walk import Walk, operand, optional


def dense_along(walk: Walk, node: ir.Node, view: AxesView) -> AxesView | None:
    """y[…, n, …] = Σₖ x[…, k, …] w[k, n] + b[n, 1, …], with the axes of the base where they lie; None where it is not.

    Only where the result is put back into the order of the base: elsewhere the first of many layers would decide
    how all of them have their axes, and a transpose in front of plain Dense layers is what one would write. Not
    behind an Einsum, which gives scores of heads in the order that a plain Dense wants.
    """
    if is_product(view.base):
        return None
    group = view.axes[-1]
    if len(group) > 1 and list(group) == sorted(group):
        view = walk.join_axis(view, view.rank - 1) or view
    axis, dims = view.single(view.rank - 1), list(dims_of(view.base))
    if not axis or not dims[axis].is_static:  # Keras' EinsumDense has a batch first, and sizes its kernel by its input
        return None
    dims[axis] = dims_of(node.outputs[0])[-1]
    result = ir.Value(name=None, shape=to_shape(dims), type=node.outputs[0].type)
    if not AxesView(result, view.axes).is_moved or not comes_back(walk, node.outputs[0], result, view.axes):
        return None
    letters = ascii_lowercase[: len(dims)]
    new = ascii_lowercase[len(dims)]
    equation = f"{letters},{letters[axis]}{new}->{letters.replace(letters[axis], new)}"
    inputs = [view.base, operand(node, 1)]
    bias = optional(node, 2)
    if bias is not None:
        inputs.append(walk.view_weight(bias, [("reshape", (dims[axis].coefficient, *[1] * (len(dims) - axis - 1)))]))
    out = walk.emit("EinsumDense", inputs, dims, {"equation": equation}, domain="keraport")
    return AxesView(out, view.axes)
