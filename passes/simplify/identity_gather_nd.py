"""A lookup at every place of a tensor is the tensor itself.

    Given    i = Expand(Unsqueeze(Range(0, b, 1), [1, 2, 3, 4]), [b, 1, 1, t, 1])      mask: [b, t]
             j = Expand(Unsqueeze(Range(0, t, 1), [0, 1, 2, 4]), [b, 1, 1, t, 1])
             y = GatherND(mask, Concat<axis=-1>(i, j))
    Result   y = Unsqueeze(mask, [1, 2])

    Given    y = Gather(x, [[[0]], [[1]], [[2]]])      x: [3]
    Result   y = Reshape(x, [3, 1, 1])

transformers makes its attention masks this way: a function of the indices of batch, head, query and key, called for all
of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from passes.dims.polynomial import Dim
from passes.graph.builder import Builder, FreshNames, sizes_of
from passes.graph.match import maker, number


@dataclass(frozen=True)
class Positions:
    """0, 1, 2, … along one axis, which is counted from the end (-1), and how many."""

    axis: int
    size: Dim | None


class RemoveIdentityGathers(ir.passes.InPlacePass):
    """Take out a GatherND whose indices are the positions along as many axes, and a Gather of all of a list.

    Not where the axes of the data would change places, or the result repeats the data along another axis.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        names: FreshNames | None = None
        known: dict[ir.Value, Positions] = {}
        modified = False
        for node in model.graph:
            if node.domain != "":
                continue
            if node.op_type == "Gather" and _is_reshape(node):
                names = names or FreshNames(model)
                _reshape(node, names)
                modified = True
            elif node.op_type != "GatherND":
                _follow(node, known)
            elif (axes := _places(node, known)) is not None:
                names = names or FreshNames(model)
                _replace(node, axes, names)
                modified = True
        return ir.passes.PassResult(model, modified)


def _is_reshape(node: ir.Node) -> bool:
    """Every place of a list in its order, under other axes: what is left of a view by strides."""
    data, indices = node.inputs[0], node.inputs[1]
    if data is None or indices is None or indices.const_value is None or data.shape is None or len(data.shape) != 1:
        return False
    return data.shape[0] == indices.const_value.size and bool(
        (indices.const_value.numpy().ravel() == np.arange(indices.const_value.size)).all()
    )


def _reshape(node: ir.Node, names: FreshNames) -> None:
    at, shape = Builder(node, names), [size for size in sizes_of(node.outputs[0]) if isinstance(size, int)]
    at.replace(at.node("Reshape", [node.inputs[0], at.constant(shape, "shape")], shape, name=node.name))


def _follow(node: ir.Node, known: dict[ir.Value, Positions]) -> None:
    """Note where positions begin, and where a node that hands them on puts them."""
    y = node.outputs[0]
    if node.op_type == "Range":
        if number(node.inputs[0]) == 0 and number(node.inputs[2]) == 1:
            known[y] = Positions(-1, sizes_of(y)[0])
        return
    x = node.inputs[0] if node.inputs else None
    found = known.get(x) if x is not None else None
    if x is None or found is None or node.op_type not in ("Cast", "Expand", "Identity", "Unsqueeze"):
        return
    axis = _after_unsqueeze(node, found.axis) if node.op_type == "Unsqueeze" else found.axis
    if axis is not None and sizes_of(y)[axis] == found.size:
        known[y] = Positions(axis, found.size)


def _after_unsqueeze(node: ir.Node, axis: int) -> int | None:
    """Where the axis lies then, counted from the end; None where the new axes are computed."""
    new = node.inputs[1]
    if new is None or new.const_value is None:
        return None
    rank = len(sizes_of(node.outputs[0]))
    added = {int(a) % rank for a in new.const_value.numpy().ravel()}
    return [a - rank for a in range(rank) if a not in added][axis]


def _places(node: ir.Node, known: dict[ir.Value, Positions]) -> list[int] | None:
    """The axis of the result, counted from the end, along which each axis of the data lies; None where one does not."""
    data, indices = node.inputs[0], node.inputs[1]
    joined = maker(indices, "Concat") if indices is not None else None
    if data is None or joined is None or node.attributes.get_int("batch_dims", 0) != 0:
        return None
    result, sizes = sizes_of(node.outputs[0]), sizes_of(data)
    if joined.attributes.get_int("axis", 0) not in (-1, len(result)) or len(joined.inputs) != len(sizes):
        return None
    if any(value not in known for value in joined.inputs):
        return None
    found = [known[value] for value in joined.inputs if value is not None]
    axes = [positions.axis + 1 for positions in found]  # of the result, which lacks the last axis of the indices
    others = [size for axis, size in enumerate(result, -len(result)) if axis not in axes]
    if axes != sorted(set(axes)) or axes[-1] >= 0 or any(size != 1 for size in others):
        return None
    return axes if sizes == [positions.size for positions in found] and None not in sizes else None


def _replace(node: ir.Node, axes: list[int], names: FreshNames) -> None:
    at, result = Builder(node, names), sizes_of(node.outputs[0])
    new = [axis + len(result) for axis in range(-len(result), 0) if axis not in axes]
    at.replace(at.node("Unsqueeze", [node.inputs[0], at.constant(new, "axes")], result, name=node.name))
