"""The walk of the layout pass: every value becomes an `AxesView`, and nodes are written again on the bases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Product, dims_of, multiply, reshape_target
from passes.errors import Unsupported, describe
from passes.graph.view_steps import Step
from passes.layout.walk.axes_view import Axes, AxesView, align, is_ascending, plain, reshaped
from passes.layout.walk.reshape import reshaped_value
from passes.layout.walk.writer import Writer


class Walk(Writer):
    """Reads the graph as it was, writes the nodes as they will be.

    `views[v]` is how the value v of the graph before follows from the graph after. Rules call `emit` for the node on
    bases, and `materialise` where an operator cannot work on a view: only that writes Transpose and Reshape nodes.
    """

    def __init__(self, graph: ir.Graph) -> None:
        super().__init__(graph)
        self.views: dict[ir.Value, AxesView] = {}
        self._materialised: dict[tuple[ir.Value, Axes], ir.Value] = {}

    def view(self, value: ir.Value) -> AxesView:
        return self.views.get(value) or plain(value)

    def plain(self, value: ir.Value | None) -> ir.Value | None:
        """The value itself, axis by axis."""
        return None if value is None else self.materialise(self.view(value))

    def materialise(self, view: AxesView, order: Sequence[int] | None = None) -> ir.Value:
        """The value of a view, its axes in `order`: a Transpose only if axes longer than 1 change places."""
        if order is not None:
            view = view.permuted(order)
        if view.is_plain:
            return view.base
        key = (view.base, view.axes)
        if key not in self._materialised:
            self._materialised[key] = self._materialise(view)
        return self._materialised[key]

    def _materialise(self, view: AxesView) -> ir.Value:
        value, target = view.base, view.dims
        dims = dims_of(value)
        atoms = view.atoms()
        perm = [*atoms, *(a for a in range(len(dims)) if a not in atoms)]
        moves = not is_ascending([a for a in atoms if not dims[a].is_one])
        if value.const_value is not None:
            steps: list[Step] = [("transpose", tuple(perm))] if moves else []
            return self.view_weight(value, [*steps, ("reshape", tuple(d.coefficient for d in target))])
        if moves and (shuffled := self._shuffled(view)) is not None:
            return self.reshape(shuffled, target)
        if moves:
            value = self.transpose(value, perm)
        elif reshape_target(dims, target) is None:  # a reshape cannot leave two symbolic sizes open
            value = self.reshape(value, [d for d in dims if not d.is_one])
        return self.reshape(value, target)

    def _shuffled(self, view: AxesView) -> ir.Value | None:
        """The base with one axis permuted within itself, where that is all that the view asks for."""
        for axis, group in enumerate(view.axes):
            ordered = AxesView(view.base, (*view.axes[:axis], tuple(sorted(group)), *view.axes[axis + 1 :]))
            if list(group) != sorted(group) and not ordered.is_moved:
                joined = self.join_axis(view, axis)
                return None if joined is None else joined.base
        return None

    def join_axis(self, view: AxesView, axis: int) -> AxesView | None:
        """The view with this axis as one axis of the base, without a transpose; None where its parts are no neighbours.

        Parts in order are merged by a Reshape. Parts in another order, as of channels shuffled between groups, are a
        permutation within one axis: [N, H, W, g, c] seen as [N, C = c·g, H, W] is a Gather of [N, H, W, g·c] by
        [0, c, 2c, …, 1, c + 1, …].
        """
        group, dims = view.axes[axis], dims_of(view.base)
        run = sorted(group)
        if not run or run != list(range(run[0], run[0] + len(run))):
            return None
        first, more = run[0], len(run) - 1
        merged = [*dims[:first], multiply(dims[a] for a in run), *dims[first + len(run) :]]
        base = view.base
        if list(group) != run:
            if not all(dims[a].is_static for a in run):
                return None
            sizes = [dims[a].coefficient for a in run]
            numbers = np.arange(int(np.prod(sizes))).reshape(sizes)
            indices = numbers.transpose([a - first for a in group]).ravel()
            inputs = [self.reshape(base, merged), self.constant(indices)]
            base = self.emit("Gather", inputs, merged, {"axis": first}, like=base)
        axes = (
            (first,) if i == axis else tuple(a - more if a > first else a for a in other)
            for i, other in enumerate(view.axes)
        )
        return AxesView(self.reshape(base, merged), tuple(axes))

    def reshape(self, value: ir.Value, target: Sequence[Product]) -> ir.Value:
        """Reshape to dimensions that may hold symbols. Unsupported where more than one of them cannot be told."""
        return reshaped_value(self, value, target)

    def reshape_view(self, view: AxesView, target: Sequence[Product]) -> AxesView | None:
        """The view after a reshape to `target`, splitting axes of the base where needed; None if it takes a
        transpose."""
        dims = dims_of(view.base)
        segments = align(view.atoms(), dims, target)
        split = None if segments is None else reshaped(dims, segments, target)
        if split is None:
            return None
        new_dims, axes = split
        if tuple(new_dims) == dims:
            return AxesView(view.base, axes)
        if view.base.const_value is not None:
            return AxesView(self.view_weight(view.base, [("reshape", tuple(d.coefficient for d in new_dims))]), axes)
        return AxesView(self.reshape(view.base, new_dims), axes)

    def conform(self, view: AxesView, lead: AxesView, free_axis: int | None = None) -> ir.Value:
        """The operand `view` as a tensor that broadcasts against the base of `lead`.

        `free_axis` is the one axis of the value whose size may differ from the lead's (Concat).
        """
        base = dims_of(lead.base)
        view = AxesView(view.base, ((),) * (lead.rank - view.rank) + view.axes)
        if view.base.const_value is not None and multiply(view.dims).is_one:
            few = len(dims_of(view.base)) <= len(base)
            return view.base if few else self.view_weight(view.base, [("reshape", (1,) * len(base))])
        target: list[Product] = []
        owners: list[int] = []
        for axis, group in enumerate(lead.axes):
            size = view.dims[axis]
            for atom in group:
                # One axis stays one: what the source needs to be equal is equal, however it is written.
                own = axis == free_axis or len(group) == 1
                target.append(size if own else ONE if size.is_one else base[atom])
                owners.append(atom)
        fitted = self.reshape_view(view, target)
        if fitted is None:
            fitted = plain(self.reshape(self.materialise(view), target))
        axes: list[tuple[int, ...]] = [()] * len(base)
        for position, atom in enumerate(owners):
            axes[atom] = fitted.axes[position]
        if view.base.const_value is not None:
            while axes and not axes[0]:
                del axes[0]
        return self.materialise(AxesView(fitted.base, tuple(axes)))

    @staticmethod
    def is_live(*views: AxesView) -> bool:
        """Are these computed, not constant?"""
        return all(view.base.const_value is None for view in views)


def constant_of(value: ir.Value | None) -> np.ndarray | None:
    """The numbers of a constant input, or None where it is computed or left out."""
    return None if value is None or value.const_value is None else value.const_value.numpy()


def operand(node: ir.Node, index: int) -> ir.Value:
    """An input that the operator cannot do without."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        raise Unsupported(f"Input {index} is left out, but {node.op_type} needs it.", node=describe(node))
    return value


def optional(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


__all__ = ["Walk", "constant_of", "operand", "optional"]
