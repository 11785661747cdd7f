"""New nodes beside an old one: named after it, typed, shaped, and with the module path it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from passes.dims.parse import parse
from passes.dims.polynomial import Dim
from passes.errors import BadSource, describe
from passes.graph.view_weight import WeightViews

Sizes = Sequence[Dim | None]
"""A shape to compute with; None is a size without even a name."""


def sizes_of(value: ir.Value) -> list[Dim | None]:
    """The dimensions of a value of known rank."""
    if value.shape is None:
        raise ValueError(f"Value {value.name!r} has no shape.")
    return [size if isinstance(size, int) else parse(size.value) if size.value else None for size in value.shape]


def shape_of(sizes: Sizes) -> ir.Shape:
    return ir.Shape([size if size is None or isinstance(size, int) else size.text for size in sizes])


class FreshNames:
    """The names that a model uses, read once, so that new ones stay unique: a node is named after its value."""

    def __init__(self, model: ir.Model) -> None:
        self.opset_imports = model.opset_imports
        self._taken: set[str] = set()
        for graph in model.graphs():
            self._taken.update(v.name for v in (*graph.inputs, *graph.initializers.values()) if v.name)
            self._taken.update(v.name for node in graph for v in node.outputs if v.name)
            self._taken.update(node.name for node in graph if node.name)
        self.weight_views = WeightViews(self.fresh)

    def fresh(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name


class Builder:
    """Writes nodes in front of `anchor`, which the caller changes or replaces."""

    def __init__(self, anchor: ir.Node, names: FreshNames) -> None:
        if anchor.graph is None:
            raise ValueError(f"Node {anchor.name!r} is in no graph.")
        self.anchor = anchor
        self.graph = anchor.graph
        self.names = names
        self.stem = anchor.outputs[0].name or anchor.name or anchor.op_type

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        sizes: Sizes,
        attributes: Mapping[str, Any] | None = None,
        *,
        domain: str = "",
        dtype: ir.DataType | None = None,
        name: str | None = None,
    ) -> ir.Value:
        """Write one node with one output; its type is that of the first input unless said otherwise.

        `name` is for the node that does the anchor's own work; the others are named after their output.
        """
        first = inputs[0]
        value = ir.Value(
            name=self.names.fresh(f"{self.stem}_{op_type.lower()}"),
            shape=shape_of(sizes),
            type=ir.TensorType(dtype) if dtype is not None else first.type if first is not None else None,
        )
        converted = [as_attribute(key, held) for key, held in (attributes or {}).items()]
        node = ir.Node(domain, op_type, inputs, converted, outputs=[value], name=name or value.name)
        node.metadata_props.update(self.anchor.metadata_props)
        self.graph.insert_before(self.anchor, node)
        if domain:
            self.names.opset_imports.setdefault(domain, 1)
        return value

    def constant(self, array: np.ndarray | Sequence[int], label: str) -> ir.Value:
        """An initializer; a plain list of integers becomes int64."""
        data = np.asarray(array, np.int64) if not isinstance(array, np.ndarray) else array
        name = self.names.fresh(f"{self.stem}_{label}")
        tensor = ir.tensor(data, name=name)
        value = ir.Value(name=name, shape=ir.Shape(data.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def size(self, x: ir.Value | None, axis: int) -> ir.Value:
        """How long an axis is: [1], int64."""
        return self.node("Shape", [x], [1], {"start": axis, "end": axis + 1}, dtype=ir.DataType.INT64)

    def counted(self, number: ir.Value, size: Dim | None, *, name: str | None = None) -> ir.Value:
        """0, 1, 2, … as many as a number [1] says; `size` is what is known of it."""
        scalar = self.node("Squeeze", [number, self.constant([0], "axis")], [])
        start, step = (self.constant(np.array(each), label) for each, label in ((0, "start"), (1, "step")))
        return self.node("Range", [start, scalar, step], [size], dtype=ir.DataType.INT64, name=name)

    def along(self, x: ir.Value, axis: int, number: ir.Value | None = None) -> ir.Value:
        """0, 1, 2, … as many as an axis is long. `number`: its size [1], where that has been computed already."""
        size = sizes_of(x)[axis]
        if isinstance(size, int):
            return self.constant(range(size), "counted")
        return self.counted(self.size(x, axis) if number is None else number, size)

    def replace(self, *values: ir.Value) -> None:
        """Let values take the places of the anchor's first outputs, their names and their shapes; the anchor goes."""
        for old, value in zip(self.anchor.outputs, values, strict=False):
            value.name, old.name = old.name, None
            value.type = old.type or value.type
            value.shape = old.shape or value.shape
            value.metadata_props.update(old.metadata_props)
            old.replace_all_uses_with(value, replace_graph_outputs=True)
        self.graph.remove(self.anchor, safe=True)


def first_input(node: ir.Node) -> ir.Value:
    x = node.inputs[0] if node.inputs else None
    if x is None:
        raise BadSource("The first input is missing.", node=describe(node))
    return x


def as_attribute(name: str, value: Any) -> ir.Attr:
    """An attribute of a plain Python value. onnx_ir's own guess takes 0.3 ms for a list, so lists are told here."""
    if isinstance(value, list | tuple) and value and all(isinstance(item, int) for item in value):
        return ir.AttrInt64s(name, list(value))
    return ir.convenience.convert_attribute(name, value)


def set_attributes(node: ir.Node, wanted: dict[str, Any]) -> bool:
    """Give the node these attributes and no others; says whether that changed any."""
    had = {name: attribute.value for name, attribute in node.attributes.items()}
    same = had.keys() == wanted.keys() and all(
        list(had[name]) == value if isinstance(value, list) else had[name] == value for name, value in wanted.items()
    )
    if not same:
        node.attributes.clear()
        node.attributes.update({name: as_attribute(name, value) for name, value in wanted.items()})
    return not same
