"""A product with a stack of constant matrices, one for each of a group: of a head, of a block of channels."""

from __future__ import annotations

from string import ascii_lowercase

import onnx_ir as ir

from passes.dims.product import dims_of
from passes.layout.walk.axes_view import AxesView
from passes.layout.walk.walk import Walk


def product_of_groups(walk: Walk, view: AxesView, weight: ir.Value, result: ir.Value) -> AxesView | None:
    """[g, …, k] · w[g, k, n] with the axes of the base where they lie, as an EinsumDense; None where it is none.

    Given    value [g, n, k] on a base [b, t, g, k], n = b·t
    Result   EinsumDense<abcd,cde->abce>(base, w), on which the result has the same axes
    """
    stack = dims_of(weight)
    if not view.is_moved or len(stack) < 3 or len(stack) > view.rank:
        return None
    dims = list(dims_of(view.base))
    first = view.rank - len(stack)
    named = [axis for axis in range(len(stack) - 2) if not stack[axis].is_one]
    places, contracted = [view.single(first + axis) for axis in named], view.single(view.rank - 1)
    # Keras' EinsumDense has a batch first, and sizes its kernel by its input.
    if not contracted or not dims[contracted].is_static or not all(places):
        return None
    groups = [place for place in places if place is not None]
    if [dims[place] for place in groups] != [stack[axis] for axis in named]:
        return None
    letters, new = ascii_lowercase[: len(dims)], ascii_lowercase[len(dims)]
    kernel = "".join(letters[place] for place in groups) + letters[contracted] + new
    equation = f"{letters},{kernel}->{letters.replace(letters[contracted], new)}"
    dims[contracted] = dims_of(result)[-1]
    if len(named) < len(stack) - 2:
        shape = tuple(stack[axis].coefficient for axis in (*named, -2, -1))
        weight = walk.view_weight(weight, [("reshape", shape)])
    out = walk.emit("EinsumDense", [view.base, weight], dims, {"equation": equation}, domain="keraport")
    return AxesView(out, view.axes)
