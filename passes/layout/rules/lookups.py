"""Lookups: what is gathered by numbers, from a table or from a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from passes.dims.product import dims_of, multiply
from passes.layout.rules.along_axes import default, on_single_axes
from passes.layout.walk.axes_view import AxesView, plain
from passes.layout.walk.registry import rule
from passes.layout.walk.walk import Walk, constant_of, operand


@rule("Gather")
def gather(walk: Walk, node: ir.Node) -> None:
    """Of a live tensor the axes of the indices, as many as there are, take the place of the axis. Of a constant table,
    the indices are looked up as they lie."""
    x, indices = operand(node, 0), operand(node, 1)
    axis = node.attributes.get_int("axis", 0) % len(dims_of(x))
    if x.const_value is not None:
        if indices.const_value is None:
            walk.views[node.outputs[0]] = _looked_up(walk, x, walk.view(indices), axis)
        else:
            default(walk, node)
        return
    view, count = walk.view(x), len(dims_of(indices))
    if not view.axes[axis] and multiply(dims_of(indices)).is_one:  # the one element along an axis of 1
        walk.views[node.outputs[0]] = AxesView(view.base, (*view.axes[:axis], *((),) * count, *view.axes[axis + 1 :]))
        return
    view, (place,) = on_single_axes(walk, x, [axis])
    before, after = dims_of(view.base)[:place], dims_of(view.base)[place + 1 :]
    dims = [*before, *dims_of(node.outputs[0])[axis : axis + count], *after]
    out = walk.emit("Gather", [view.base, walk.plain(indices)], dims, {"axis": place})
    axes = [tuple(a if a < place else a + count - 1 for a in group) for group in view.axes]
    axes[axis : axis + 1] = [(place + i,) for i in range(count)]
    walk.views[node.outputs[0]] = AxesView(out, tuple(axes))


@rule("GatherND")
def gather_nd(walk: Walk, node: ir.Node) -> None:
    """At numbers along the first axis, which is what an index that is a list becomes, it is a Gather."""
    x, indices = operand(node, 0), constant_of(operand(node, 1))
    (size, *_), batched = dims_of(x), node.attributes.get_int("batch_dims", 0)
    if indices is None or batched or indices.ndim != 2 or indices.shape[1] != 1 or not size.is_static:
        default(walk, node)
        return
    view, (axis,) = on_single_axes(walk, x, [0])
    dims = list(dims_of(view.base))
    dims[axis] = dims_of(node.outputs[0])[0]
    rows = walk.constant(indices[:, 0] % size.coefficient)
    walk.views[node.outputs[0]] = AxesView(walk.emit("Gather", [view.base, rows], dims, {"axis": axis}), view.axes)


@rule("GatherElements")
def gather_elements(walk: Walk, node: ir.Node) -> None:
    """On the bases, where data and indices lie alike: heads merged into the batch need no merging."""
    axis = node.attributes.get_int("axis", 0) % len(dims_of(node.outputs[0]))
    data, indices = (walk.view(operand(node, i)) for i in (0, 1))
    others = [a for a in range(data.rank) if a != axis]
    longer = [a for a in others if data.dims[a] != indices.dims[a]]
    if any(not indices.dims[a].is_static for a in longer):
        _look_up_in_part(walk, node, longer)
        return
    if data.axes != indices.axes or len(data.axes[axis]) != 1 or longer:
        default(walk, node)
        return
    inputs, where = [data.base, indices.base], data.axes[axis][0]
    out = walk.emit("GatherElements", inputs, dims_of(indices.base), {"axis": where})
    walk.views[node.outputs[0]] = AxesView(out, indices.axes)


def _look_up_in_part(walk: Walk, node: ir.Node, longer: Sequence[int]) -> None:
    """Of the data only as much as the indices have, whose size is known when the model runs."""
    data, indices = (walk.materialise(walk.view(operand(node, i))) for i in (0, 1))
    dims, wanted = list(dims_of(data)), dims_of(indices)
    for axis in longer:
        attributes = {"axis": axis, "to": ir.DataType.INT64.value}
        places = walk.emit("Positions", [indices], [wanted[axis]], attributes, domain="keraport")
        places.dtype = ir.DataType.INT64
        dims[axis] = wanted[axis]
        data = walk.emit("Gather", [data, places], dims, {"axis": axis}, like=data)
    out = walk.emit("GatherElements", [data, indices], wanted, dict(node.attributes), like=data)
    walk.views[node.outputs[0]] = plain(out)


def _looked_up(walk: Walk, table: ir.Value, indices: AxesView, axis: int) -> AxesView:
    rows = dims_of(table)
    out = walk.emit(
        "Gather", [table, indices.base], [*rows[:axis], *dims_of(indices.base), *rows[axis + 1 :]], {"axis": axis}
    )
    before = [(a,) for a in range(axis)]
    found = [tuple(a + axis for a in group) for group in indices.axes]
    first_after = axis + len(dims_of(indices.base))
    after = [(a + first_after,) for a in range(len(rows) - axis - 1)]
    return AxesView(out, (*before, *found, *after))
