"""The walk of the layout pass: every value becomes a `View`, and nodes are written again on the bases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.product import ONE, Dim, dims_of, product, reshape_target, to_shape
from passes.errors import Unsupported, describe
from passes.graph.view_weight import WeightViews
from passes.graph.weight_views import Step
from passes.layout.walk.axes_view import Axes, View, align, is_ascending, plain, reshaped
from passes.layout.walk.reshape import reshaped_value
from passes.lower.private_operators import is_private, private


class Walk:
    """Reads the graph as it was, writes the nodes as they will be.

    `views[v]` is how the value v of the graph before follows from the graph after. Rules call `emit` for the node on
    bases, and `materialise` where an operator cannot work on a view: only that writes Transpose and Reshape nodes.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.nodes: list[ir.Node] = []
        self.views: dict[ir.Value, View] = {}
        self.anchors: dict[str, tuple[ir.Value, int]] = {}
        self.node: ir.Node = next(iter(graph))
        self._materialised: dict[tuple[ir.Value, Axes], ir.Value] = {}
        self._node_names: dict[str, int] = {}
        self._names: set[str] = {str(v.name) for v in (*graph.inputs, *graph.initializers.values())}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._weight_views = WeightViews(self.unique)

    def view(self, value: ir.Value) -> View:
        return self.views.get(value) or plain(value)

    def plain(self, value: ir.Value | None) -> ir.Value | None:
        """The value itself, axis by axis."""
        return None if value is None else self.materialise(self.view(value))

    def emit(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        dims: Sequence[Dim],
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
        like: ir.Value | None = None,
    ) -> ir.Value:
        """Write one node with one output, in the name of the node being walked. `like` gives name and type."""
        return self.emit_many(op_type, inputs, [dims], attributes, domain=domain, like=[like or self.node.outputs[0]])[
            0
        ]

    def emit_many(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        dims: Sequence[Sequence[Dim]],
        attributes: dict[str, Any] | None = None,
        *,
        domain: str = "",
        like: Sequence[ir.Value],
    ) -> Sequence[ir.Value]:
        outputs = [
            ir.Value(name=self.unique(str(v.name)), shape=to_shape(d), type=v.type)
            for v, d in zip(like, dims, strict=True)
        ]
        node = ir.Node(
            domain,
            op_type,
            inputs=inputs,
            attributes=[*ir.convenience.convert_attributes(attributes or {})],
            outputs=outputs,
            name=self._node_name(op_type),
            metadata_props=self.node.metadata_props,
        )
        if is_private(node):
            private(node)
        self.nodes.append(node)
        for output in outputs:
            self.anchor(output)
        return outputs

    def _node_name(self, op_type: str) -> str:
        """The name of the node being walked, once, for the first operator of its kind."""
        name = str(self.node.name)
        wanted = name if op_type == self.node.op_type else f"{name}_{op_type.lower()}"
        self._node_names[wanted] = count = self._node_names.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}_{count}"

    def anchor(self, value: ir.Value) -> None:
        """Remember the latest value that has a symbol for an axis: a live tensor from which that size can be taken."""
        for axis, d in enumerate(dims_of(value)):
            if d.coefficient == 1 and len(d.symbols) == 1:
                self.anchors[d.symbols[0]] = (value, axis)

    def anchored(self, size: Dim) -> tuple[ir.Value, int] | None:
        """The live tensor that has this open size, and its axis; None where no tensor has it by itself."""
        alone = size.coefficient == 1 and len(size.symbols) == 1
        return self.anchors.get(size.symbols[0]) if alone else None

    def materialise(self, view: View, order: Sequence[int] | None = None) -> ir.Value:
        """The value of a view, its axes in `order`: a Transpose only if axes longer than 1 change places."""
        if order is not None:
            view = view.permuted(order)
        if view.is_plain:
            return view.base
        key = (view.base, view.axes)
        if key not in self._materialised:
            self._materialised[key] = self._materialise(view)
        return self._materialised[key]

    def _materialise(self, view: View) -> ir.Value:
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
        if moves or reshape_target(dims, target) is None:  # a reshape cannot leave two symbolic sizes open
            value = self.transpose(value, perm)
        return self.reshape(value, target)

    def _shuffled(self, view: View) -> ir.Value | None:
        """The base with one axis permuted within itself, where that is all that the view asks for."""
        for axis, group in enumerate(view.axes):
            ordered = View(view.base, (*view.axes[:axis], tuple(sorted(group)), *view.axes[axis + 1 :]))
            if list(group) != sorted(group) and not ordered.is_moved:
                joined = self.join_axis(view, axis)
                return None if joined is None else joined.base
        return None

    def join_axis(self, view: View, axis: int) -> View | None:
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
        merged = [*dims[:first], product(dims[a] for a in run), *dims[first + len(run) :]]
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
        return View(self.reshape(base, merged), tuple(axes))

    def reshape(self, value: ir.Value, target: Sequence[Dim]) -> ir.Value:
        """Reshape to dimensions that may hold symbols. Unsupported where more than one of them cannot be told."""
        return reshaped_value(self, value, target)

    def transpose(self, value: ir.Value, perm: Sequence[int]) -> ir.Value:
        dims = dims_of(value)
        return self.emit("Transpose", [value], [dims[p] for p in perm], {"perm": list(perm)}, like=value)

    def reshape_view(self, view: View, target: Sequence[Dim]) -> View | None:
        """The view after a reshape to `target`, splitting axes of the base where needed; None if it takes a
        transpose."""
        dims = dims_of(view.base)
        segments = align(view.atoms(), dims, target)
        split = None if segments is None else reshaped(dims, segments, target)
        if split is None:
            return None
        new_dims, axes = split
        if tuple(new_dims) == dims:
            return View(view.base, axes)
        if view.base.const_value is not None:
            return View(self.view_weight(view.base, [("reshape", tuple(d.coefficient for d in new_dims))]), axes)
        return View(self.reshape(view.base, new_dims), axes)

    def conform(self, view: View, lead: View, free_axis: int | None = None) -> ir.Value:
        """The operand `view` as a tensor that broadcasts against the base of `lead`.

        `free_axis` is the one axis of the value whose size may differ from the lead's (Concat).
        """
        base = dims_of(lead.base)
        view = View(view.base, ((),) * (lead.rank - view.rank) + view.axes)
        if view.base.const_value is not None and product(view.dims).is_one:
            few = len(dims_of(view.base)) <= len(base)
            return view.base if few else self.view_weight(view.base, [("reshape", (1,) * len(base))])
        target: list[Dim] = []
        owners: list[int] = []
        for axis, group in enumerate(lead.axes):
            size = view.dims[axis]
            for atom in group:
                target.append(size if axis == free_axis else ONE if size.is_one else base[atom])
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
        return self.materialise(View(fitted.base, tuple(axes)))

    def constant(self, values: Sequence[int] | np.ndarray, dtype: Any = np.int64) -> ir.Value:
        """A small initializer, shared between the nodes that want the same numbers."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            tensor = ir.tensor(array, name=self.unique(f"const_{array.dtype}"))
            self._constants[key] = value = ir.Value(
                name=tensor.name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
            )
            self.graph.register_initializer(value)
        return self._constants[key]

    def view_weight(self, value: ir.Value, steps: Sequence[Step]) -> ir.Value:
        """A transposed and reshaped constant as an initializer of its own."""
        return self._weight_views.view(self.graph, value, steps)

    def scalar(self, number: float, like: ir.Value) -> ir.Value:
        """A constant of the dtype of `like`."""
        dtype = like.dtype.numpy() if like.dtype is not None else np.dtype("float32")
        return self.constant(np.asarray(number, dtype), dtype)

    @staticmethod
    def is_live(*views: View) -> bool:
        """Are these computed, not constant?"""
        return all(view.base.const_value is None for view in views)

    def unique(self, name: str) -> str:
        """A name that no value of the new graph has yet."""
        candidate, count = name, 1
        while candidate in self._names:
            candidate, count = f"{name}_{count}", count + 1
        self._names.add(candidate)
        return candidate


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
